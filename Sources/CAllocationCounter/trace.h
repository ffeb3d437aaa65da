#pragma once
/// Called for every allocation; remembers the calling stack while a trace runs.
void allocation_trace_note(void);
