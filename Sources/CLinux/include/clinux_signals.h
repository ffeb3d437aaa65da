#pragma once

/// Makes signal `number` write its number as one byte to `descriptor` (non-blocking), in place of its usual effect.
int clinux_redirect_signal(int number, int descriptor);
/// Gives signal `number` back the effect it had before.
void clinux_restore_signal(int number);
/// A non-blocking, close-on-exec pipe.
int clinux_pipe(int *reading, int *writing);
