import GPUBackend
import Ring

/// What a host can do for jobs and how fast its daemon may be, as lines of `doctor`.
struct HostChecks {
    let loop: any EventLoop
    let host: HostFacts

    var eventLoop: CheckView {
        guard let reason = loop.fallbackReason else {
            return CheckView(check: "event loop", result: "ok", detail: loop.backend.rawValue)
        }
        return CheckView(
            check: "event loop", result: "warn", detail: "epoll: \(reason)",
            hint: "io_uring is faster; everything works without it")
    }

    var isolation: [CheckView] {
        host.capabilities.checks.map {
            CheckView(check: $0.name, result: $0.holds ? "ok" : "warn", detail: $0.detail)
        }
    }
}
