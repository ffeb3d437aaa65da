#pragma once
#include <stddef.h>

/// Gives up everything that reading messages from a descriptor, computing and answering does not need. There is no way back.
///
/// Descriptors other than 0, 1, 2 and `descriptor` are closed; no further ones can be opened, nor can files grow, threads
/// or processes begin, programs be executed, core files be written, memory grow beyond `address_space` bytes, or other
/// processes look inside. System calls that are not expected fail.
///
/// Returns 0, or an errno with the step that failed in `step`, which is a static string.
int CConfinement_confine(int descriptor, size_t address_space, const char **step);
