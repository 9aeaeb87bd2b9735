import Codec
import Testing

@testable import Tokens

/// A node's word of what the person may do who asks there.
@Suite struct RoleStatementTests {
    private let mesh = testKey(1).publicKey.id.text
    private let entry = BLAKE3.hash([1, 2, 3])

    private func statement(_ role: PersonRole) -> RoleStatement {
        RoleStatement(role, about: entry, mesh: mesh, key: testKey(5))
    }

    @Test("a statement is good for its key, its entry and its mesh alone, and the same after encoding")
    func fits() throws {
        let node = testKey(5).publicKey
        for role in [PersonRole.user, .administrator] {
            let statement = statement(role)
            #expect(statement.isSigned(by: node, about: entry, mesh: mesh))
            #expect(!statement.isSigned(by: testKey(6).publicKey, about: entry, mesh: mesh))
            #expect(!statement.isSigned(by: node, about: BLAKE3.hash([1, 2, 4]), mesh: mesh))
            #expect(!statement.isSigned(by: node, about: entry, mesh: testKey(2).publicKey.id.text))
            #expect(try RoleStatement(encoded: statement.encoded()) == statement)
        }
    }

    @Test("any bit of any part that is changed makes it worthless, the role too")
    func changed() throws {
        let bytes = statement(.user).encoded()
        for index in bytes.indices {
            for bit in 0..<8 {
                var altered = bytes
                altered[index] ^= 1 << bit
                // What cannot be read is no statement at all.
                guard case .success(let read) = Result(catching: { try RoleStatement(encoded: altered) }) else {
                    continue
                }
                #expect(!read.isSigned(by: testKey(5).publicKey, about: entry, mesh: mesh), "byte \(index)")
            }
        }
    }
}
