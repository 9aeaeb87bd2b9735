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

    /// None where there is no device and no driver.
    var devices: [CheckView] {
        if let problem = host.devices.problem {
            return [
                CheckView(
                    check: "GPUs", result: "FAIL", detail: problem,
                    hint: "the driver's own tool says more: nvidia-smi; without it: dmesg")
            ]
        }
        return host.devices.gpus.map { gpu in
            let check = "GPU \(gpu.index)"
            guard let obstacle = gpu.obstacle else {
                return CheckView(check: check, result: "ok", detail: GPUText.model(gpu))
            }
            return CheckView(
                check: check, result: obstacle.kind == .inUse ? "warn" : "FAIL",
                detail: "\(GPUText.model(gpu)): \(obstacle.text)", hint: "until then no job is given it")
        }
    }

    var isolation: [CheckView] {
        host.capabilities.checks.map {
            CheckView(check: $0.name, result: $0.holds ? "ok" : "warn", detail: $0.detail)
        }
    }
}
