final class UringLoop: LoopCore, @unchecked Sendable {
    init() throws(RingError) { throw .backendUnavailable("this build leaves it out") }
}
