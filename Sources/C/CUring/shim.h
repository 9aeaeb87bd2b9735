// features.h comes first: liburing.h defines _GNU_SOURCE, which would otherwise change fd_set between modules.
#include <features.h>
#include <liburing.h>
