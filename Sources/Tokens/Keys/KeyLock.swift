import CSodium

/// What the keys of one data directory are locked by, if anything. Used by one thread at a time.
///
/// It holds the passphrase only until every key has been opened once, and what Argon2id made of it from then on: for keys
/// that are made later, and for the program that takes the place of this one. One salt serves all keys of a directory, so
/// that a start derives once.
public final class KeyLock: @unchecked Sendable {
    private var passphrase: Passphrase?
    /// The first one locks keys that are to be written.
    private var keys: [PassphraseKey] = []

    /// Salts in one directory: it has no more files.
    private static let keysMax = 16

    /// Without a passphrase it opens what is not locked, and writes as that is.
    public init(_ passphrase: Passphrase? = nil) { self.passphrase = passphrase }

    /// Whether there is something that a locked key can be opened with.
    public var hasPassphrase: Bool { passphrase != nil || !keys.isEmpty }

    /// Whether keys are written locked.
    public var isLocking: Bool { !keys.isEmpty }

    /// From here on keys are written locked, also where none has been opened that was. Does nothing without a passphrase.
    public func lockNewKeys() { lockNewKeys(.init()) }

    func lockNewKeys(_ terms: PassphraseKey.Terms) {
        guard keys.isEmpty, let passphrase else { return }
        guard let made = PassphraseKey(passphrase, terms) else { preconditionFailure("no memory for Argon2id") }
        keys.append(made)
    }

    /// All keys have been opened: the passphrase itself is not needed any more.
    public func forgetPassphrase() { passphrase = nil }

    /// - Throws: `keyDamaged`, `keyLocked` without a passphrase, `keyNotOpened` with another one.
    func open(_ line: String, path: String) throws(TokenError) -> SigningKey {
        let locked: LockedKey
        do { locked = try LockedKey(line) } catch { throw .keyDamaged(path: path) }
        let known = keys.first { $0.terms == locked.terms }
        let key: PassphraseKey
        if let known { key = known } else { key = try derive(locked.terms, path) }
        let opened: SigningKey
        do { opened = try locked.open(with: key) } catch {
            throw error == .passphraseWrong ? .keyNotOpened(path: path) : .keyDamaged(path: path)
        }
        // Only what has opened a key locks others: none is ever lost behind a wrong passphrase.
        if known == nil { keys.append(key) }
        return opened
    }

    private func derive(_ terms: PassphraseKey.Terms, _ path: String) throws(TokenError) -> PassphraseKey {
        guard let passphrase else { throw keys.isEmpty ? .keyLocked(path: path) : .keyNotOpened(path: path) }
        guard keys.count < KeyLock.keysMax, let made = PassphraseKey(passphrase, terms) else {
            throw .keyDamaged(path: path)
        }
        return made
    }

    /// The line of a key as it is to be written.
    func line(of key: SigningKey) -> [UInt8] {
        guard let first = keys.first else { return SigningKeyFile.line(of: key) }
        return Array(LockedKey.lock(key, with: first).utf8) + [UInt8(ascii: "\n")]
    }

    /// Whether a line is as this would write it, but for its nonce.
    func isOwn(_ line: String) -> Bool {
        do { return try LockedKey(line).terms == keys.first?.terms } catch { return false }
    }

    // MARK: For the program that takes this one's place

    /// No passphrase begins with it.
    private static let (mark, version) = (UInt8(0), UInt8(1))
    private static let entryByteCount = PassphraseKey.Terms.saltByteCount + 12 + PassphraseKey.secretByteCount

    /// Whether these bytes are meant as what `withHandover` gave.
    public static func isHandover(_ bytes: ArraySlice<UInt8>) -> Bool { bytes.first == mark }

    /// What opens the keys, as bytes that are wiped behind `body`; nil where nothing is locked.
    public func withHandover<Result>(_ body: ([UInt8]) -> Result) -> Result? {
        guard !keys.isEmpty else { return nil }
        var bytes: [UInt8] = []
        // Of the full size at once, so that it never grows out of a place that is not wiped.
        bytes.reserveCapacity(2 + keys.count * KeyLock.entryByteCount)
        defer { sodium_memzero(&bytes, bytes.count) }
        bytes += [KeyLock.mark, KeyLock.version]
        for key in keys {
            bytes += key.terms.salt
            withUnsafeBytes(of: key.terms.memory.bigEndian) { bytes += $0 }
            withUnsafeBytes(of: key.terms.passes.bigEndian) { bytes += $0 }
            key.withSecret { bytes += $0 }
        }
        return body(bytes)
    }

    /// From such bytes; the caller wipes them. nil where they are none.
    public init?(handover bytes: ArraySlice<UInt8>) {
        let entries = bytes.dropFirst(2)
        guard bytes.count > 2, bytes.prefix(2).elementsEqual([KeyLock.mark, KeyLock.version]),
            entries.count % KeyLock.entryByteCount == 0, entries.count / KeyLock.entryByteCount <= KeyLock.keysMax
        else { return nil }
        let salt = PassphraseKey.Terms.saltByteCount
        for start in stride(from: entries.startIndex, to: entries.endIndex, by: KeyLock.entryByteCount) {
            let number = { (range: Range<Int>) in entries[range].reduce(UInt64(0)) { $0 << 8 | UInt64($1) } }
            let terms = PassphraseKey.Terms(
                salt: Array(entries[start..<(start + salt)]), memory: number((start + salt)..<(start + salt + 8)),
                passes: UInt32(number((start + salt + 8)..<(start + salt + 12))))
            keys.append(
                PassphraseKey(terms, secret: entries[(start + salt + 12)..<(start + KeyLock.entryByteCount)]))
        }
    }
}
