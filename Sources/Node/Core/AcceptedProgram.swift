import Codec
import Tokens

/// The program that this host was last asked to run by a signed word, and the one in whose place it came. The daemon keeps it
/// in its data directory before that program is in place.
struct AcceptedProgram: Hashable, Sendable {
    /// A statement, and the key of the host that made it.
    struct Signed: Hashable, Sendable {
        var statement: ProgramStatement
        /// 32 bytes.
        var key: Bytes

        func isWhole(mesh: String) -> Bool {
            key.array.count == PublicKey.byteCount
                && statement.isSigned(by: PublicKey(admitted: key.array), mesh: mesh)
        }
    }

    var signed: Signed
    /// What ran until then; nil where the program ran already when it was signed.
    var before: Digest?
    /// How that one was signed; nil: by nobody.
    var signedBefore: Signed?

    /// What is to be kept when another program is accepted.
    ///
    /// - Parameters:
    ///   - running: the program that runs; nil where it is the one that was signed.
    ///   - last: what was kept until now.
    init(_ signed: Signed, insteadOf running: Digest?, _ last: AcceptedProgram?) {
        let same = last.flatMap { $0.signed.statement.program == signed.statement.program ? $0 : nil }
        // Once more for the same program: the newest word counts, so that no older one for another program is heard again.
        self.signed = same.flatMap { $0.signed.statement.time > signed.statement.time ? $0.signed : nil } ?? signed
        if let running {
            before = running
            signedBefore = last?.word(for: running)
        } else {
            before = same?.before
            signedBefore = same?.signedBefore
        }
    }

    /// Who signed a program that ran here.
    func word(for program: Digest) -> Signed? {
        if signed.statement.program == program { return signed }
        return before == program ? signedBefore : nil
    }

    /// What a program that runs is to the one that was signed.
    enum Standing: Hashable, Sendable {
        case signed(Signed)
        /// The one before, because the one that was signed did not come up.
        case takenBack(Signed?)
        case another(than: Signed)
        /// What is kept was not signed by that key, or for another mesh.
        case damaged
    }

    /// - Parameters:
    ///   - takenBack: the program whose upgrade was taken back last.
    ///   - mesh: the id of the mesh's public key.
    func standing(of running: Digest, takenBack: Digest?, mesh: String) -> Standing {
        guard signed.isWhole(mesh: mesh) else { return .damaged }
        if running == signed.statement.program { return .signed(signed) }
        return running == before && takenBack == signed.statement.program
            ? .takenBack(signedBefore) : .another(than: signed)
    }
}

extension AcceptedProgram.Signed: CBORCodable {
    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        statement = try map.require(1)
        key = try map.require(2)
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, statement)
        map.set(2, key)
        return .map(map)
    }
}

extension AcceptedProgram: CBORCodable {
    init(cbor: CBOR) throws(CodecError) {
        let map = try cbor.requireMap()
        signed = try map.require(1)
        before = try map.optional(2)
        signedBefore = try map.optional(3)
    }

    var cbor: CBOR {
        var map = CBORMap()
        map.set(1, signed)
        map.set(2, before)
        map.set(3, signedBefore)
        return .map(map)
    }
}
