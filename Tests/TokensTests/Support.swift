import Tokens

/// What a call throws, nil where it returns.
func tokenError<T>(_ body: () throws(TokenError) -> T) -> TokenError? {
    do {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

/// A key that is the same in every run.
func testKey(_ number: UInt8) -> SigningKey { SigningKey(seed: [UInt8](repeating: number, count: 32)) }
