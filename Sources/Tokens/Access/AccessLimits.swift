/// Upper bounds, each named or not. What one that is not named means is for its reader to say; never that there is none.
public struct AccessLimits: Hashable, Sendable {
    /// By the order of `AccessLimit.allCases`.
    private var values = [Int64?](repeating: nil, count: AccessLimit.allCases.count)

    public init() {}

    /// - Precondition: values of 0 and above.
    public init(_ values: [AccessLimit: Int64]) {
        for limit in AccessLimit.allCases { self[limit] = values[limit] }
    }

    public subscript(limit: AccessLimit) -> Int64? {
        get { values[AccessLimits.index(limit)] }
        set {
            precondition((newValue ?? 0) >= 0, "a limit is not negative")
            values[AccessLimits.index(limit)] = newValue
        }
    }

    /// The limits that are named, in the order of their declaration.
    public var named: [(limit: AccessLimit, value: Int64)] {
        var named = [(limit: AccessLimit, value: Int64)]()
        for limit in AccessLimit.allCases {
            if let value = self[limit] { named.append((limit, value)) }
        }
        return named
    }

    /// Takes the smaller of both where both name one, else the one that is named.
    public mutating func lower(to other: AccessLimits) {
        for (limit, value) in other.named { self[limit] = min(self[limit] ?? value, value) }
    }

    /// Names what is not named yet.
    public mutating func fill(from other: AccessLimits) {
        for (limit, value) in other.named where self[limit] == nil { self[limit] = value }
    }

    /// - Throws: `accessLimit` for the first of these that is above one of `bounds`.
    public func check(within bounds: AccessLimits) throws(TokenError) {
        if let (limit, asked, allowed) = first(above: bounds) {
            throw .accessLimit(limit, allowed: allowed, asked: asked)
        }
    }

    /// The first limit of these that is above one of `bounds`.
    func first(above bounds: AccessLimits) -> (limit: AccessLimit, value: Int64, bound: Int64)? {
        for (limit, value) in named {
            if let bound = bounds[limit], value > bound { return (limit, value, bound) }
        }
        return nil
    }

    private static func index(_ limit: AccessLimit) -> Int { AccessLimit.allCases.firstIndex(of: limit) ?? 0 }
}
