import Foundation
import Testing

@testable import GPUBackend

@Suite("Deleting directories")
struct RemoveTreeTests {
    private func makeDirectory() throws -> String {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("remove-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    @Test("what a link leads to stays, the link goes")
    func linksAreNotFollowed() throws {
        let other = try makeDirectory()
        defer { #expect(throws: Never.self) { try FileManager.default.removeItem(atPath: other) } }
        try Data("kept".utf8).write(to: URL(fileURLWithPath: other + "/file"))
        let tree = try makeDirectory()
        try FileManager.default.createSymbolicLink(atPath: tree + "/link", withDestinationPath: other)
        try HostFiles.removeTree(tree)
        #expect(!FileManager.default.fileExists(atPath: tree))
        #expect(FileManager.default.fileExists(atPath: other + "/file"))
    }

    @Test("a tree deeper than there may be open directories goes too")
    func deepTree() throws {
        let tree = try makeDirectory()
        var path = tree
        for _ in 0..<300 {
            path += "/d"
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
            try Data("x".utf8).write(to: URL(fileURLWithPath: path + "/file"))
        }
        try HostFiles.removeTree(tree)
        #expect(!FileManager.default.fileExists(atPath: tree))
    }

    @Test("a directory that its owner may not read goes too")
    func unreadable() throws {
        let tree = try makeDirectory()
        try FileManager.default.createDirectory(atPath: tree + "/shut", withIntermediateDirectories: false)
        try Data("x".utf8).write(to: URL(fileURLWithPath: tree + "/shut/file"))
        try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: tree + "/shut")
        try HostFiles.removeTree(tree)
        #expect(!FileManager.default.fileExists(atPath: tree))
    }

    @Test("what is not there is gone already")
    func missing() throws {
        let tree = try makeDirectory()
        try HostFiles.removeTree(tree)
        try HostFiles.removeTree(tree)
    }
}
