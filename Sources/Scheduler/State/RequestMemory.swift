import Codec

/// The answers of the newest requests, so that a retry gets the same one and has no second effect.
///
/// Request ids are random or counted, so their low bits spread them over buckets; each bucket forgets its oldest when
/// it is full or when they are a day old. Small buckets keep both the search and the copy after a snapshot short; a
/// request takes 40 bytes, and all of them together at most `SchedulerLimits.requestsMax` times that.
struct RequestMemory: Sendable {
    private struct Remembered: Sendable {
        let request: RequestID
        let time: Int64
        let answer: Kept
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

    private var buckets: [[Remembered]] = Array(repeating: [], count: SchedulerLimits.requestBuckets)

    private static let perBucketMax = SchedulerLimits.requestsMax / SchedulerLimits.requestBuckets

    func answer(to request: RequestID) -> Answer? {
        buckets[Self.bucket(of: request)].last { $0.request == request }?.answer.answer
    }

    mutating func remember(_ request: RequestID, _ answer: Answer, at time: Int64) {
        let bucket = Self.bucket(of: request)
        let oldest = time - SchedulerLimits.requestNanoseconds
        let stale = buckets[bucket].prefix { $0.time < oldest }.count
        // An eighth more goes at once, so that a full bucket is not moved for every entry.
        let surplus = buckets[bucket].count >= Self.perBucketMax ? Self.perBucketMax / 8 : 0
        buckets[bucket].removeFirst(max(stale, surplus))
        buckets[bucket].append(Remembered(request: request, time: time, answer: Kept(answer)))
    }

    func count(inBucket bucket: Int) -> Int { buckets[bucket].count }

    private static func bucket(of request: RequestID) -> Int {
        Int(request.low % UInt64(SchedulerLimits.requestBuckets))
    }

    // MARK: Records

    func fill(_ map: inout CBORMap, bucket: Int, row: Int) {
        let remembered = buckets[bucket][row]
        map.set(1, remembered.request)
        map.set(2, remembered.time)
        let answer = remembered.answer.answer
        map.set(3, answer == .ok ? nil : answer)
    }

    mutating func restore(_ map: CBORMap) throws(CodecError) {
        let remembered = Remembered(
            request: try map.require(1), time: try map.require(2), answer: Kept(try map.optional(3) ?? .ok))
        let bucket = Self.bucket(of: remembered.request)
        guard remembered.time >= buckets[bucket].last?.time ?? .min, buckets[bucket].count < Self.perBucketMax else {
            throw .invalid("remembered requests out of order")
        }
        buckets[bucket].append(remembered)
    }
}
