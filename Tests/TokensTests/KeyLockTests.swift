import Foundation
import Testing

@testable import Tokens

/// One signing key in a file, under a passphrase or not.
@Suite struct KeyLockTests {
    let directory: URL
    let key = testKey(3)
    var path: String { directory.appendingPathComponent("identity").path }

    init() throws {
        try Sodium.start()
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("swarmlet-lock-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    func cleanUp() {
        #expect(throws: Never.self) { try FileManager.default.removeItem(at: directory) }
    }

    /// As it is after a key was opened, or made, under that passphrase.
    func lock(_ text: String) -> KeyLock {
        let lock = KeyLock(passphrase(text))
        lock.lockNewKeys(leastTerms)
        return lock
    }

    func error(_ lock: KeyLock) -> TokenError? {
        tokenError { () throws(TokenError) in try SigningKeyFile.load(path, lock) }
    }

    func content() throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

    @Test("a locked file opens with the passphrase only, and says its name where it does not")
    func locked() throws {
        defer { cleanUp() }
        try SigningKeyFile.save(key, to: path, lock("sesame"))
        #expect(SigningKeyFile.isLocked(try content()))
        #expect(try SigningKeyFile.load(path, KeyLock(passphrase("sesame"))).publicKey == key.publicKey)
        #expect(error(KeyLock()) == .keyLocked(path: path))
        #expect(error(KeyLock(passphrase("sesam"))) == .keyNotOpened(path: path))
        #expect(error(lock("another")) == .keyNotOpened(path: path))
        #expect(error(KeyLock())?.message.contains(path) == true)
        #expect(error(KeyLock(passphrase("x")))?.code == "tokens.passphrase_wrong")
    }

    @Test("what has not opened a key locks none, and what has goes on to, without the passphrase")
    func opened() throws {
        defer { cleanUp() }
        try SigningKeyFile.save(key, to: path, lock("sesame"))
        let wrong = KeyLock(passphrase("sesam"))
        #expect(error(wrong) != nil && !wrong.isLocking)
        let right = KeyLock(passphrase("sesame"))
        #expect(!right.isLocking)
        _ = try SigningKeyFile.load(path, right)
        right.forgetPassphrase()
        #expect(right.isLocking)
        let other = path + ".other"
        try SigningKeyFile.save(testKey(4), to: other, right)
        #expect(try SigningKeyFile.load(other, KeyLock(passphrase("sesame"))).publicKey == testKey(4).publicKey)
        #expect(try SigningKeyFile.load(path, right).publicKey == key.publicKey)
    }

    @Test("a plain file opens whatever is locked beside it")
    func plain() throws {
        defer { cleanUp() }
        try SigningKeyFile.save(key, to: path, KeyLock())
        #expect(try SigningKeyFile.load(path, lock("sesame")).publicKey == key.publicKey)
    }

    @Test("a torn file is damaged at every length, and an altered one opens at no place")
    func torn() throws {
        defer { cleanUp() }
        let lock = lock("sesame")
        try SigningKeyFile.save(key, to: path, lock)
        let whole = try content()
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        defer { #expect(throws: Never.self) { try file.close() } }
        for length in stride(from: whole.count - 2, through: 0, by: -1) {
            try file.truncate(atOffset: UInt64(length))
            #expect(error(lock) == .keyDamaged(path: path), "\(length) bytes")
        }
        for index in 0..<(whole.count - 1) {
            var other = whole
            other[index] ^= 1
            try file.seek(toOffset: 0)
            try file.write(contentsOf: Data(other))
            #expect(error(lock) != nil, "byte \(index)")
        }
    }

    @Test("a file that is replaced is there whole, and what was in it is overwritten, but not under another name")
    func replaced() throws {
        defer { cleanUp() }
        try SigningKeyFile.save(key, to: path, KeyLock())
        let before = try content()
        // Who has the old file open sees what is left on the disk.
        let old = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        defer { #expect(throws: Never.self) { try old.close() } }
        // A try that was killed has left a plain key.
        try SecretFile.create(path + ".new", with: before)
        try SigningKeyFile.replace(path, with: key, lock("sesame"))
        #expect(try old.readToEnd() == Data(repeating: 0, count: before.count))
        #expect(SigningKeyFile.isLocked(try content()))
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["identity"])
        let kept = path + ".kept"
        let locked = try content()
        try FileManager.default.linkItem(atPath: path, toPath: kept)
        try SigningKeyFile.replace(path, with: key, KeyLock())
        #expect(try Data(contentsOf: URL(fileURLWithPath: kept)) == Data(locked))
        #expect(try content() == before)
    }

    @Test("what is handed over opens and locks without the passphrase, and no part of it does")
    func handedOver() throws {
        defer { cleanUp() }
        let lock = lock("sesame")
        #expect(KeyLock().withHandover { $0 } == nil)
        try SigningKeyFile.save(key, to: path, lock)
        let bytes = try #require(lock.withHandover { Array($0) })
        #expect(KeyLock.isHandover(bytes[...]) && !KeyLock.isHandover(Array("sesame".utf8)[...]))
        let other = try #require(KeyLock(handover: bytes[...]))
        #expect(other.isLocking)
        #expect(try SigningKeyFile.load(path, other).publicKey == key.publicKey)
        for length in 0..<bytes.count where length != 2 { #expect(KeyLock(handover: bytes[..<length]) == nil) }
        #expect(KeyLock(handover: [0, 2] + bytes[2...]) == nil)
        #expect(KeyLock(handover: bytes + [1]) == nil)
    }
}
