#pragma once
#include <opus/opus.h>

// opus_encoder_ctl takes variable arguments, which Swift cannot call; the wrappers below stand in for it.

static inline int COpus_setBitRate(OpusEncoder *encoder, int value) {
    return opus_encoder_ctl(encoder, OPUS_SET_BITRATE(value));
}
static inline int COpus_setForwardErrorCorrection(OpusEncoder *encoder, int value) {
    return opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(value));
}
static inline int COpus_setExpectedLoss(OpusEncoder *encoder, int percent) {
    return opus_encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC(percent));
}
static inline int COpus_expectMusic(OpusEncoder *encoder) {
    return opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_MUSIC));
}
static inline int COpus_setIndependence(OpusEncoder *encoder, int value) {
    return opus_encoder_ctl(encoder, OPUS_SET_PREDICTION_DISABLED(value));
}
static inline int COpus_lookahead(OpusEncoder *encoder, opus_int32 *samples) {
    return opus_encoder_ctl(encoder, OPUS_GET_LOOKAHEAD(samples));
}
