import Foundation
import Testing

@testable import GPUBackend

/// On ordinary directories: claims are locks, which every file system has.
struct CgroupClaimTests {
    private let path = NSTemporaryDirectory() + "claim-\(UUID().uuidString)"

    @Test("a group has one owner, whether or not others can see its process, until that owner ends")
    func oneOwner() throws {
        defer { rmdir(path) }
        var owner = try CgroupClaim.make(path)
        #expect(owner != nil)
        #expect(try CgroupClaim.make(path) == nil)
        #expect(try CgroupClaim.take(path) == nil)
        owner = nil
        #expect(try CgroupClaim.make(path) == nil)
        #expect(try CgroupClaim.take(path) != nil)
    }

    @Test("what is not there, or was swept away, is claimed by nobody")
    func gone() throws {
        #expect(try CgroupClaim.take(path) == nil)
        let owner = try CgroupClaim.make(path)
        rmdir(path)
        mkdir(path, 0o755)
        defer { rmdir(path) }
        #expect(try CgroupClaim.take(path) != nil)
        withExtendedLifetime(owner) {}
    }
}
