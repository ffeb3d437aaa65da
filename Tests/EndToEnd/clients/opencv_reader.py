"""Reads a room with OpenCV, as its documents say, and prints what it saw: `opencv_reader.py URL [FRAMES]`.

How FFmpeg inside it connects is told by the environment: OPENCV_FFMPEG_CAPTURE_OPTIONS="rtsp_transport;tcp".
"""

import json
import sys

import cv2
import numpy

url, wanted = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50
capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
frames, changed, former, size = 0, 0, None, None
while frames < wanted:
    there, picture = capture.read()
    if not there:
        break
    frames += 1
    size = picture.shape[1], picture.shape[0]
    changed += former is not None and float(numpy.abs(picture.astype(int) - former).mean()) > 0.1
    former = picture.astype(int)
capture.release()
print(json.dumps({"frames": frames, "changed": changed, "size": size}))
