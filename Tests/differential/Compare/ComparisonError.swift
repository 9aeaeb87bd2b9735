/// Why a comparison could not be made. A difference between the two is none of these.
enum ComparisonError: Error, CustomStringConvertible {
    /// The Go program cannot be started or is gone; the number is errno.
    case process(String, Int32)
    /// The Go program could not do what it was asked for.
    case refused(String, String)
    /// An answer of the Go program is not what it should be.
    case unreadable(String)

    var description: String {
        switch self {
        case .process(let what, let number): "\(what): errno \(number)"
        case .refused(let request, let reason): "\(reason), asked for \(request)"
        case .unreadable(let reason): "unreadable answer: \(reason)"
        }
    }
}
