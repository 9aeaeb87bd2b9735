import Codec

/// The answers of the newest requests, so that a retry gets the same one and has no second effect.
///
/// Request ids are random, so their low bits spread them over buckets; each bucket forgets its oldest when it is full
/// or when they are a day old. Small buckets keep both the search and the copy after a snapshot short.
struct RequestMemory: Sendable {
    struct Remembered: Sendable {
        let request: RequestID
        let time: Int64
        let answer: Answer
    }

    private(set) var buckets: [[Remembered]] = Array(repeating: [], count: SchedulerLimits.requestBuckets)

    private static let perBucketMax = SchedulerLimits.requestsMax / SchedulerLimits.requestBuckets

    func answer(to request: RequestID) -> Answer? {
        buckets[Self.bucket(of: request)].last { $0.request == request }?.answer
    }

    mutating func remember(_ request: RequestID, _ answer: Answer, at time: Int64) {
        let bucket = Self.bucket(of: request)
        let oldest = time - SchedulerLimits.requestNanoseconds
        let stale = buckets[bucket].prefix { $0.time < oldest }.count
        // An eighth more goes at once, so that a full bucket is not moved for every entry.
        let surplus = buckets[bucket].count >= Self.perBucketMax ? Self.perBucketMax / 8 : 0
        buckets[bucket].removeFirst(max(stale, surplus))
        buckets[bucket].append(Remembered(request: request, time: time, answer: answer))
    }

    private static func bucket(of request: RequestID) -> Int {
        Int(request.low % UInt64(SchedulerLimits.requestBuckets))
    }
}

extension RequestMemory: CBORCodable {
    init(cbor: CBOR) throws(CodecError) {
        var previousTime = Int64.min
        for item in try cbor.requireArray() {
            let map = try item.requireMap()
            let remembered = Remembered(
                request: try map.require(1), time: try map.require(2), answer: try map.optional(3) ?? .ok)
            let bucket = Self.bucket(of: remembered.request)
            if let last = buckets[bucket].last { previousTime = last.time } else { previousTime = .min }
            guard remembered.time >= previousTime else { throw .invalid("remembered requests out of order") }
            buckets[bucket].append(remembered)
        }
    }

    var cbor: CBOR {
        var items: [CBOR] = []
        for bucket in buckets {
            for remembered in bucket {
                var map = CBORMap()
                map.set(1, remembered.request)
                map.set(2, remembered.time)
                map.set(3, remembered.answer == .ok ? nil : remembered.answer)
                items.append(.map(map))
            }
        }
        return .array(items)
    }
}
