import Codec
import Scheduler
import Testing
import Tokens

@testable import Node

/// Who has signed a checkpoint, and who would.
struct AuditNamesTests {
    private static func node(_ name: String, _ key: SigningKey) -> NodeRecord {
        NodeRecord(
            name: name, identityKey: Bytes(key.publicKey.bytes), noiseKey: Bytes(key.publicKey.bytes),
            capacity: Capacity(cpuMillis: 1, memoryBytes: 1))
    }

    @Test("the leader of then and its witnesses are told by their keys, and strangers are nobody")
    func signers() {
        let (owl, fox, elk, stranger) = (
            SigningKey.generate(), SigningKey.generate(), SigningKey.generate(), SigningKey.generate()
        )
        let names = AuditNames(mesh: owl.publicKey.id, epoch: 0)
        let checkpoint = AuditCheckpoint(origin: names.origin, size: 3, root: .zero)
        var note = SignedNote(text: checkpoint.text)
        note.sign(name: names.origin, with: owl)
        note.cosign(name: names.witness(fox.publicKey), with: fox, time: 5)
        note.cosign(name: names.witness(stranger.publicKey), with: stranger, time: 5)
        // Under a name that is not its own.
        note.cosign(name: names.witness(elk.publicKey), with: stranger, time: 5)
        let (leader, witnesses) = names.signers(
            of: note, among: [Self.node("owl", owl), Self.node("fox", fox), Self.node("elk", elk)])
        #expect(leader?.name == "owl")
        #expect(witnesses.map(\.name) == ["fox"])
        // After a recovery it is another log.
        let later = AuditNames(mesh: owl.publicKey.id, epoch: 1)
        #expect(later.origin != names.origin)
        #expect(later.signers(of: note, among: [Self.node("owl", owl)]).leader == nil)
    }

    @Test(
        "a member signs what it has worked out, says nothing of what it has not, and never signs two roots of one size")
    func witness() {
        let (one, two) = (MerkleHash.leaf([1]), MerkleHash.leaf([2]))
        let checkpoint = AuditCheckpoint(origin: "log", size: 1, root: one)
        #expect(AuditWitness.judge(checkpoint, signed: nil, own: one) == .sign)
        #expect(AuditWitness.judge(checkpoint, signed: one, own: one) == .sign)
        #expect(AuditWitness.judge(checkpoint, signed: nil, own: nil) == .unknown)
        #expect(AuditWitness.judge(checkpoint, signed: nil, own: two) == .contradiction)
        #expect(AuditWitness.judge(checkpoint, signed: two, own: one) == .contradiction)
        #expect(AuditWitness.judge(checkpoint, signed: two, own: nil) == .contradiction)
    }
}
