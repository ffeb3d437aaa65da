// The camera, the screen and the microphone: asking for them, and saying what is wrong when they do not come.

const REASONS = {
    NotAllowedError:
        "The browser was not allowed to use the camera, the microphone or the screen. " +
        "Allow it beside the address, then try again.",
    NotFoundError: "No camera or microphone was found. Connect one, or share the screen.",
    NotReadableError: "The camera or microphone is in use by another program.",
    OverconstrainedError: "The chosen camera or microphone is not there any more.",
    AbortError: "The camera or microphone could not be started.",
};

/**
 * Gives { stream, notice }, or rejects with a sentence for the user.
 * `wish` has source (camera, screen, none), camera, microphone, sound, width and height.
 */
export async function capture(wish) {
    const devices = navigator.mediaDevices;
    if (!devices) {
        throw new Error("Browsers lend the camera and the screen only to pages served over HTTPS or from localhost.");
    }
    const picture = { width: { ideal: wish.width }, height: { ideal: wish.height }, frameRate: { ideal: 30 } };
    const chosen = (id) => (id ? { deviceId: { exact: id } } : {});
    const audio = wish.sound ? chosen(wish.microphone) : false;
    const video = wish.source === "camera" ? { ...picture, ...chosen(wish.camera) } : false;
    try {
        if (wish.source === "screen") return { stream: await captureScreen(picture, audio), notice: "" };
        if (!video && audio === false) throw new Error("Choose a picture, sound, or both.");
        return await captureDevices(video, audio);
    } catch (error) {
        throw new Error(REASONS[error.name] ?? error.message);
    }
}

async function captureScreen(picture, audio) {
    const screen = await navigator.mediaDevices.getDisplayMedia({ video: picture, audio: audio !== false });
    screen.getVideoTracks().forEach((track) => (track.contentHint = "detail"));
    if (audio !== false && screen.getAudioTracks().length === 0) {
        const voice = await navigator.mediaDevices.getUserMedia({ audio }).catch(() => null);
        voice?.getAudioTracks().forEach((track) => screen.addTrack(track));
    }
    return screen;
}

async function captureDevices(video, audio) {
    try {
        return { stream: await navigator.mediaDevices.getUserMedia({ video, audio }), notice: "" };
    } catch (error) {
        if (error.name !== "NotFoundError" || !video || audio === false) throw error;
        // One of the two is missing: the other alone is better than nothing.
        const kinds = (await navigator.mediaDevices.enumerateDevices()).map((device) => device.kind);
        const hasCamera = kinds.includes("videoinput");
        const stream = await navigator.mediaDevices.getUserMedia(hasCamera ? { video } : { audio });
        const [missing, rest] = hasCamera ? ["microphone", "no sound"] : ["camera", "only sound"];
        return { stream, notice: `No ${missing} was found: there is ${rest}.` };
    }
}

/** Fills the two lists with the devices that are there; a choice that is still there stays. */
export async function listDevices(lists) {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    for (const [kind, select] of Object.entries(lists)) {
        const before = select.value;
        const options = devices
            .filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default")
            .map((device, index) => new Option(device.label || `Device ${index + 1}`, device.deviceId));
        select.replaceChildren(new Option("Default", ""), ...options);
        if (options.some((option) => option.value === before)) select.value = before;
    }
}
