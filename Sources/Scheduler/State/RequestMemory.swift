import Codec

/// The answers of the newest requests, so that a retry gets the same one and has no second effect.
///
/// Request ids are random or counted, so their low bits spread them over buckets; each bucket forgets its oldest when
/// it is full or when they are a day old. Small buckets keep both the search and the copy after a snapshot short; a
/// request takes 40 bytes, and all of them together at most `SchedulerLimits.requestsMax` times that.
struct RequestMemory: Sendable {
    /// Three columns of the same length, oldest first: nearly every request is new, so that all ids are looked at for each
    /// entry, and nothing else is.
    private struct Bucket: Sendable {
        var requests: [RequestID] = []
        var times: [Int64] = []
        var answers: [Kept] = []

        mutating func append(_ request: RequestID, _ time: Int64, _ answer: Kept) {
            requests.append(request)
            times.append(time)
            answers.append(answer)
        }

        mutating func removeFirst(_ count: Int) {
            guard count > 0 else { return }
            requests.removeFirst(count)
            times.removeFirst(count)
            answers.removeFirst(count)
        }
    }

    /// Nearly every answer is one of the first two, which need no room of their own.
    private enum Kept: Sendable {
        case ok
        case job(JobID)
        case other(Shared<Answer>)

        init(_ answer: Answer) {
            switch answer {
            case .ok: self = .ok
            case .job(let job): self = .job(job)
            case .node, .refused: self = .other(Shared(answer))
            }
        }

        var answer: Answer {
            switch self {
            case .ok: .ok
            case .job(let job): .job(job)
            case .other(let shared): shared.value
            }
        }
    }

    private var buckets = Array(repeating: Bucket(), count: SchedulerLimits.requestBuckets)

    private static let perBucketMax = SchedulerLimits.requestsMax / SchedulerLimits.requestBuckets

    func answer(to request: RequestID) -> Answer? {
        let bucket = Self.bucket(of: request)
        return buckets[bucket].requests.lastIndex(of: request).map { buckets[bucket].answers[$0].answer }
    }

    mutating func remember(_ request: RequestID, _ answer: Answer, at time: Int64) {
        let bucket = Self.bucket(of: request)
        let oldest = time - SchedulerLimits.requestNanoseconds
        let stale = buckets[bucket].times.prefix { $0 < oldest }.count
        // An eighth more goes at once, so that a full bucket is not moved for every entry.
        let surplus = buckets[bucket].times.count >= Self.perBucketMax ? Self.perBucketMax / 8 : 0
        buckets[bucket].removeFirst(max(stale, surplus))
        buckets[bucket].append(request, time, Kept(answer))
    }

    func count(inBucket bucket: Int) -> Int { buckets[bucket].times.count }

    private static func bucket(of request: RequestID) -> Int {
        Int(request.low % UInt64(SchedulerLimits.requestBuckets))
    }

    // MARK: Records

    func fill(_ map: inout CBORMap, bucket: Int, row: Int) {
        map.set(1, buckets[bucket].requests[row])
        map.set(2, buckets[bucket].times[row])
        let answer = buckets[bucket].answers[row].answer
        map.set(3, answer == .ok ? nil : answer)
    }

    mutating func restore(_ map: CBORMap) throws(CodecError) {
        let request: RequestID = try map.require(1)
        let time: Int64 = try map.require(2)
        let answer = Kept(try map.optional(3) ?? .ok)
        let bucket = Self.bucket(of: request)
        guard time >= buckets[bucket].times.last ?? .min, buckets[bucket].times.count < Self.perBucketMax else {
            throw .invalid("remembered requests out of order")
        }
        buckets[bucket].append(request, time, answer)
    }
}
