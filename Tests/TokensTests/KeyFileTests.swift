import Foundation
import Testing
import Tokens

@Suite struct KeyFileTests {
    let directory: URL
    var path: String { directory.appendingPathComponent("node.key").path }

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("swarmlet-keys-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    func cleanUp() {
        #expect(throws: Never.self) { try FileManager.default.removeItem(at: directory) }
    }

    func codeOfLoading() -> String? {
        tokenError { () throws(TokenError) in try SigningKeyFile.load(path, KeyLock()) }?.code
    }

    func setMode(_ mode: Int) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test("a saved key comes back, its file is for its owner only, and it is never overwritten")
    func roundTrip() throws {
        defer { cleanUp() }
        let key = SigningKey.generate()
        try SigningKeyFile.save(key, to: path, KeyLock())
        #expect(try SigningKeyFile.load(path, KeyLock()).publicKey == key.publicKey)
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        let second = tokenError { () throws(TokenError) in try SigningKeyFile.save(testKey(1), to: path, KeyLock()) }
        #expect(second == .keyExists(path: path))
        #expect(try SigningKeyFile.load(path, KeyLock()).publicKey == key.publicKey)
    }

    @Test("a key that others may read is refused")
    func readable() throws {
        defer { cleanUp() }
        try SigningKeyFile.save(testKey(1), to: path, KeyLock())
        for mode in [0o640, 0o604, 0o620, 0o601] {
            try setMode(mode)
            #expect(codeOfLoading() == "tokens.key_readable")
        }
        try setMode(0o400)
        #expect(codeOfLoading() == nil)
    }

    @Test("a missing file, a link, a directory and damaged content are told apart")
    func damaged() throws {
        defer { cleanUp() }
        #expect(codeOfLoading() == "tokens.key_missing")
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/etc/hostname")
        #expect(codeOfLoading() == "tokens.key_foreign")
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        #expect(codeOfLoading() == "tokens.key_foreign")
        try FileManager.default.removeItem(atPath: path)
        let line = SigningKeyFile.line(of: testKey(1))
        for content in [[], Array(line.dropLast(2)), line + [0x0A], line + line, [UInt8](repeating: 0x41, count: 60)] {
            try Data(content).write(to: URL(fileURLWithPath: path))
            try setMode(0o600)
            #expect(codeOfLoading() == "tokens.key_damaged", "\(content.count)")
        }
        let nowhere = tokenError { () throws(TokenError) in
            try SigningKeyFile.save(testKey(1), to: directory.path + "/missing/node.key", KeyLock())
        }
        #expect(nowhere?.code == "tokens.key_file")
    }
}
