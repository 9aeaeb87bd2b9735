// Kernel interfaces that Swift's Glibc module does not show, and the few lines of C that must run between clone and exec.
#pragma once
#include <features.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "datagrams.h"
#include "files.h"
#include "ring.h"

#include "sandbox.h"
#include "attempt.h"
#include "hands.h"
#include "process.h"
#include "owner.h"
#include "program.h"
#include "host.h"
#include "nvml.h"
#include "wipe.h"
#include "terminal.h"
#include "allocator.h"
