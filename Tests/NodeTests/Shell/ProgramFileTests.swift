import Codec
import GPUBackend
import Glibc
import Testing

@testable import Node

@Suite("Files that are programs")
struct ProgramFileTests {
    private let directory: ScratchDirectory
    private var staged: String { directory.path + "/swarmlet.new" }
    private var path: String { directory.path + "/swarmlet" }
    private let wanted: [UInt8] = Array("#!/bin/sh\nexit 0\n".utf8)

    init() throws {
        directory = try ScratchDirectory()
        try HostFiles.replace(path, with: [1])
    }

    private func write(_ bytes: [UInt8]) throws { try ProgramFile.write(to: staged) { put in try put(bytes[...]) } }

    @Test("a program that is the one that was signed gets its place")
    func placed() throws {
        try write(wanted)
        #expect(try ProgramFile.place(staged, at: path, ifItIs: BLAKE3.hash(wanted)))
        #expect(try HostFiles.read(path) == wanted)
        #expect(!HostFiles.exists(staged))
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o755)
    }

    @Test("a file that is another one than was signed gets no place, nor does a link to the right one")
    func refused() throws {
        try write(wanted + [10])
        #expect(try !ProgramFile.place(staged, at: path, ifItIs: BLAKE3.hash(wanted)))
        #expect(try HostFiles.read(path) == [1])
        try write(wanted)
        let elsewhere = directory.path + "/elsewhere"
        try ProgramFile.rename(staged, to: elsewhere)
        try #require(symlink(elsewhere, staged) == 0)
        #expect(throws: HostError.self) { try ProgramFile.place(staged, at: path, ifItIs: BLAKE3.hash(wanted)) }
        #expect(try HostFiles.read(path) == [1])
    }

    @Test("a program is not written into a file that somebody else has made and keeps open")
    func ownFile() throws {
        let temporary = "\(staged).\(getpid())"
        let open = try HostFiles.open(temporary, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        defer { close(open) }
        try write(wanted)
        try HostFiles.writeAll([0, 0, 0], to: open, path: temporary)
        #expect(try HostFiles.read(staged) == wanted)
    }

    @Test("a program says its version and its levels when it tests itself, and nothing else is one")
    func tested() throws {
        func found(_ words: String) throws -> ProgramFile.Test? {
            try write(Array("#!/bin/sh\n\(words)\n".utf8))
            return ProgramFile.test(staged).test
        }
        let good = try found("echo swarmlet 1.2.3-rc.1; echo levels 1-8")
        #expect(good?.version.text == "1.2.3-rc.1")
        #expect(good?.levels.highest == 8)
        #expect(try found("echo swarmlet newest; echo levels 1-8") == nil)
        #expect(try found("echo swarmlet 1; echo levels some") == nil)
        #expect(try found("echo swarmlet 1; echo levels 1-8; exit 1") == nil)
    }
}
