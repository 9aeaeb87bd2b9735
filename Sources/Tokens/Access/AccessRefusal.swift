/// That a token does not allow what is asked: at which step, and why.
public struct AccessRefusal: Error, Hashable, Sendable {
    public let step: AccessStep
    /// For the record; not for whoever asked.
    public let reason: TokenError

    public init(step: AccessStep, reason: TokenError) {
        self.step = step
        self.reason = reason
    }

    /// What whoever asked may know: form, issuers and signatures are told apart to nobody.
    public var answer: TokenError { step.isSilent ? .accessInvalid : reason }
}
