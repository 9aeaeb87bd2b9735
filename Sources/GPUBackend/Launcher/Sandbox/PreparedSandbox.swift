import CLinux
import Glibc
import Scheduler

/// A plan in the memory of the process that is cloned: no step between clone and exec has to allocate.
final class PreparedSandbox {
    let plan: SandboxPlan
    private let strings: CStrings
    private let steps: UnsafeMutableBufferPointer<clinux_step>
    private let trees: UnsafeMutablePointer<Int32>
    private let rules: UnsafeMutableBufferPointer<clinux_file_rule>
    private let limits: UnsafeMutableBufferPointer<clinux_limit>
    private let pointer: UnsafeMutablePointer<clinux_sandbox>

    init(_ plan: SandboxPlan) {
        self.plan = plan
        // Four texts a step, one a rule, then the root's options and the host name; an empty one stands for none.
        var texts = plan.steps.flatMap { [$0.source ?? "", $0.target, $0.text ?? ""] } + plan.rules.map(\.path)
        if case .own(let options) = plan.root { texts.append(options) } else { texts.append("") }
        texts.append(plan.hostName ?? "")
        strings = CStrings(texts)
        steps = .allocate(capacity: plan.steps.count)
        trees = .allocate(capacity: max(1, plan.steps.count))
        trees.initialize(repeating: -1, count: plan.steps.count)
        rules = .allocate(capacity: plan.rules.count)
        limits = .allocate(capacity: plan.limits.count)
        pointer = .allocate(capacity: 1)
        pointer.initialize(to: clinux_sandbox())
        fill()
    }

    deinit {
        steps.deallocate()
        trees.deallocate()
        rules.deallocate()
        limits.deallocate()
        pointer.deallocate()
    }

    private func fill() {
        func text(_ index: Int) -> UnsafePointer<CChar>? {
            strings.pointer[index].flatMap { $0.pointee == 0 ? nil : $0 }
        }
        for (index, step) in plan.steps.enumerated() {
            steps[index] = clinux_step(
                kind: Int32(step.kind.rawValue), flags: step.rights.rawValue, source: text(index * 3),
                target: text(index * 3 + 1), text: text(index * 3 + 2))
        }
        let firstRule = plan.steps.count * 3
        for (index, rule) in plan.rules.enumerated() {
            rules[index] = clinux_file_rule(path: text(firstRule + index), access: rule.access.rawValue)
        }
        for (index, limit) in plan.limits.enumerated() { limits[index] = limit.raw }
        let last = firstRule + plan.rules.count
        let filter = SystemCallFilter.program(plan.filter)
        pointer.pointee.steps = UnsafePointer(steps.baseAddress)
        pointer.pointee.step_count = steps.count
        pointer.pointee.common_count = plan.commonCount
        pointer.pointee.trees = trees
        pointer.pointee.root_options = text(last)
        pointer.pointee.host_name = text(last + 1)
        pointer.pointee.own_network = plan.hasOwnNetwork ? 1 : 0
        pointer.pointee.network_for_setup = plan.hasNetworkForSetup ? 1 : 0
        pointer.pointee.proxy_port = plan.proxyPort ?? 0
        pointer.pointee.single_user = plan.hasSingleUser ? 1 : 0
        pointer.pointee.handled_access = plan.handledAccess.rawValue
        pointer.pointee.scoped = plan.scopes
        pointer.pointee.rules = UnsafePointer(rules.baseAddress)
        pointer.pointee.rule_count = rules.count
        pointer.pointee.limits = UnsafePointer(limits.baseAddress)
        pointer.pointee.limit_count = limits.count
        pointer.pointee.filter = UnsafePointer(filter.baseAddress)
        pointer.pointee.filter_length = filter.count
    }

    /// Valid as long as this object.
    var raw: UnsafePointer<clinux_sandbox> { UnsafePointer(pointer) }
}

/// The programs that decide about system calls, made once.
enum SystemCallFilter {
    private static let capacity = 2048
    nonisolated(unsafe) private static let strict = make(CLINUX_FILTER_STRICT)
    nonisolated(unsafe) private static let standard = make(CLINUX_FILTER_STANDARD)

    static func program(_ filter: SandboxPlan.Filter) -> UnsafeBufferPointer<sock_filter> {
        switch filter {
        case .strict: strict
        case .standard: standard
        }
    }

    private static func make(_ kind: clinux_filter_kind) -> UnsafeBufferPointer<sock_filter> {
        let program = UnsafeMutableBufferPointer<sock_filter>.allocate(capacity: capacity)
        let length = clinux_filter_program(Int32(kind.rawValue), program.baseAddress, capacity)
        precondition(length > 0, "the filter of system calls has outgrown its place")
        return UnsafeBufferPointer(rebasing: program[..<length])
    }
}

extension SandboxPlan.Limit {
    fileprivate var raw: clinux_limit {
        switch self {
        case .coreBytes(let value): clinux_limit(resource: Int32(RLIMIT_CORE.rawValue), value: value)
        case .processes(let value): clinux_limit(resource: Int32(__RLIMIT_NPROC.rawValue), value: value)
        case .openFiles(let value): clinux_limit(resource: Int32(RLIMIT_NOFILE.rawValue), value: value)
        case .lockedBytes(let value): clinux_limit(resource: Int32(__RLIMIT_MEMLOCK.rawValue), value: value)
        }
    }
}

extension SandboxPlan.Step {
    fileprivate var kind: clinux_step_kind {
        switch self {
        case .tree: CLINUX_STEP_TREE
        case .memory: CLINUX_STEP_TMPFS
        case .processes: CLINUX_STEP_PROC
        case .terminals: CLINUX_STEP_TERMINALS
        case .link: CLINUX_STEP_LINK
        case .file: CLINUX_STEP_FILE
        case .directory: CLINUX_STEP_DIRECTORY
        case .readOnly: CLINUX_STEP_READ_ONLY
        case .hide: CLINUX_STEP_HIDE
        }
    }

    fileprivate var rights: SandboxPlan.TreeRights {
        switch self {
        case .tree(_, _, let rights): rights
        case .hide, .readOnly: .optional
        default: []
        }
    }

    /// On the host.
    var source: String? {
        guard case .tree(let source, _, _) = self else { return nil }
        return source
    }

    fileprivate var text: String? {
        switch self {
        case .memory(_, let options): options
        case .processes(let hidesOthers): hidesOthers ? "2" : nil
        case .link(_, let text): text
        case .file(_, let content): content
        default: nil
        }
    }
}
