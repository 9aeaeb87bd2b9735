import Codec
import Scheduler

/// What somebody outside the mesh is told: all that happens to his job, and of its hosts what they give it, not who they are.
struct GuestVeil {
    /// Of the members, and of those that were.
    private let names: Set<String>

    private static let host = "its host"

    init(state: SchedulerState) { names = Set(state.nodes.map(\.name)) }

    static func veiled(_ reply: APIReply, _ state: SchedulerState) -> APIReply {
        switch reply {
        case .follow(.output): reply
        case .follow, .jobs, .job, .planned, .failure: GuestVeil(state: state).veiled(reply)
        default: reply
        }
    }

    private func veiled(_ reply: APIReply) -> APIReply {
        switch reply {
        case .follow(let event): return .follow(veiled(event))
        case .jobs(var view):
            view.jobs = view.jobs.map(veiled)
            return .jobs(view)
        case .job(let detail): return .job(veiled(detail))
        case .planned(var view):
            view.places = view.places.map { .init(node: GuestVeil.devices($0.gpus), gpus: []) }
            view.reason = view.reason.map(veiled)
            view.startsWhen = view.startsWhen == nil ? nil : "a host has room"
            return .planned(view)
        case .failure(let failure): return .failure(veiled(failure))
        default: return reply
        }
    }

    /// Who made a token is said in it.
    func veiled(_ failure: APIFailure) -> APIFailure {
        guard !failure.code.hasPrefix("token."), !failure.code.hasPrefix("auth.") else { return failure }
        var failure = failure
        failure.message = veiled(failure.message)
        failure.hint = veiled(failure.hint)
        return failure
    }

    private func veiled(_ event: FollowEvent) -> FollowEvent {
        switch event {
        case .waiting(let reason): return .waiting(veiled(reason))
        case .placed(var placed):
            placed.node = GuestVeil.devices(placed.gpus)
            placed.gpus = []
            placed.nodes = []
            return .placed(placed)
        case .hostLost(var lost):
            lost.node = GuestVeil.host
            return .hostLost(lost)
        case .checkpoint(var safe):
            safe.holders = [safe.holders.count == 1 ? "1 host" : "\(safe.holders.count) hosts"]
            return .checkpoint(safe)
        case .ended(var end):
            end.failure = end.failure.map(veiled)
            end.results?.holders = []
            return .ended(end)
        case .outputMissing: return .outputMissing(node: GuestVeil.host)
        case .paused(let person): return .paused(by: person == nil ? nil : "a member")
        case .rankEnded(var end):
            end.node = GuestVeil.host
            return .rankEnded(end)
        case .setUp(_, let setup): return .setUp(node: "", setup)
        case .output, .frozen, .task: return event
        }
    }

    private func veiled(_ view: JobView) -> JobView {
        var view = view
        view.nodes = []
        view.reason = view.reason.map(veiled)
        return view
    }

    private func veiled(_ detail: JobDetail) -> JobDetail {
        var detail = detail
        detail.view = veiled(detail.view)
        detail.attempts = detail.attempts.map { attempt in
            var attempt = attempt
            attempt.node = "-"
            attempt.outcome = attempt.outcome.map(veiled)
            return attempt
        }
        detail.checkpoints = detail.checkpoints.map { checkpoint in
            var checkpoint = checkpoint
            checkpoint.holders = []
            return checkpoint
        }
        detail.results?.holders = []
        detail.gang = nil
        return detail
    }

    /// `1x RTX 3090 24 GiB` for `GPU 0 (RTX 3090 24 GiB)`; how many there are of each, in their order.
    static func devices(_ gpus: [String]) -> String {
        var counts: [(model: String, count: Int)] = []
        for gpu in gpus {
            let bytes = Array(gpu.utf8)
            guard let open = bytes.firstIndex(of: 0x28), let close = bytes.lastIndex(of: 0x29), open < close else {
                continue
            }
            let model = String(decoding: bytes[(open + 1)..<close], as: UTF8.self)
            if let index = counts.firstIndex(where: { $0.model == model }) {
                counts[index].count += 1
            } else {
                counts.append((model, 1))
            }
        }
        return counts.isEmpty ? "a host of the mesh" : counts.map { "\($0.count)x \($0.model)" }.joined(separator: ", ")
    }

    /// The text with `a host` where it names one.
    private func veiled(_ text: String) -> String {
        var result = ""
        var word = ""
        func close() {
            // A name never ends with a full stop, a sentence may.
            var end = ""
            while word.utf8.last == 0x2E { end.append(word.removeLast()) }
            result += (names.contains(word) ? "a host" : word) + end
            word = ""
        }
        for character in text {
            if character.isLetter || character.isNumber || character == "-" || character == "_" || character == "." {
                word.append(character)
            } else {
                close()
                result.append(character)
            }
        }
        close()
        return result
    }
}
