#pragma once
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/error.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>

// Macros are not imported into Swift; the wrappers below stand in for them.

static inline int CAV_again(void) { return AVERROR(EAGAIN); }
static inline int CAV_noMemory(void) { return AVERROR(ENOMEM); }
static const int CAV_endOfFile = AVERROR_EOF;
static const int CAV_inputPadding = AV_INPUT_BUFFER_PADDING_SIZE;
static const int CAV_crcCheck = AV_EF_CRCCHECK;
static const int64_t CAV_resampleAlways = SWR_FLAG_RESAMPLE;

/// Numbers of the versions of libavcodec and libswresample, as major << 16 | minor << 8 | micro.
static inline unsigned CAV_codecVersion(void) { return avcodec_version(); }

/// A resampler of interleaved floats in `rate`, mono or stereo, from what `frame` holds. NULL when it cannot be made.
static inline SwrContext *CAV_resampler(const AVFrame *frame, int channels, int rate) {
    SwrContext *context = NULL;
    AVChannelLayout layout;
    av_channel_layout_default(&layout, channels);
    int failed = swr_alloc_set_opts2(
        &context, &layout, AV_SAMPLE_FMT_FLT, rate, &frame->ch_layout, frame->format, frame->sample_rate, 0, NULL);
    // Without the flag equal rates are copied, and then there is nothing that could be compensated.
    if (failed < 0 || av_opt_set_int(context, "flags", SWR_FLAG_RESAMPLE, 0) < 0
        || av_opt_set_sample_fmt(context, "internal_sample_fmt", AV_SAMPLE_FMT_FLTP, 0) < 0 || swr_init(context) < 0)
        swr_free(&context);
    return context;
}

/// Feeds the resampler with `count` samples of every channel of `frame`, or lets it put out what it holds when `frame` is
/// NULL.
///
/// Returns the samples written to `out`, or an error.
static inline int CAV_resample(SwrContext *context, float *out, int capacity, const AVFrame *frame) {
    uint8_t *outputs[1] = {(uint8_t *)out};
    return swr_convert(
        context, outputs, capacity, frame ? (const uint8_t **)frame->extended_data : NULL,
        frame ? frame->nb_samples : 0);
}
