import Codec
import Raft

/// Says in one kind's words what the other kind said, for meshes in which both take part.
///
/// Snapshots, memberships and etcd's reads are left out: a mixed mesh does without them.
enum Translator {
    /// Numbers of `raftpb.MessageType`.
    private enum Kind {
        static let append: Int64 = 3
        static let appendResponse: Int64 = 4
        static let vote: Int64 = 5
        static let voteResponse: Int64 = 6
        static let heartbeat: Int64 = 8
        static let heartbeatResponse: Int64 = 9
        static let timeoutNow: Int64 = 14
        static let preVote: Int64 = 17
        static let preVoteResponse: Int64 = 18
    }

    /// What etcd puts into a vote request that its leader asked for.
    private static let transfer = Base64.encode(Array("CampaignTransfer".utf8))

    // MARK: From ours to etcd's

    static func forEtcd(_ envelope: Envelope, _ message: RaftMessage) throws(ComparisonError) -> Envelope {
        var members: [(key: String, value: JSON)] = [
            ("from", envelope.from.json), ("to", envelope.to.json), ("term", number(message.term)),
        ]
        switch message {
        case .voteRequest(let request):
            members += [
                ("type", .integer(request.ballot == .vote ? Kind.vote : Kind.preVote)),
                ("index", number(request.lastIndex)), ("logTerm", number(request.lastTerm)),
            ]
            if request.isTransfer { members.append(("context", .string(transfer))) }
        case .voteResponse(let response):
            members += [
                ("type", .integer(response.ballot == .vote ? Kind.voteResponse : Kind.preVoteResponse)),
                ("reject", .bool(!response.isGranted)),
            ]
        case .append(let append):
            members += [
                ("type", .integer(Kind.append)), ("index", number(append.previousIndex)),
                ("logTerm", number(append.previousTerm)), ("commit", number(append.commitIndex)),
                ("entries", .array(try entries(append.entries))),
            ]
        case .appendResponse(let response):
            members.append(("type", .integer(Kind.appendResponse)))
            switch response.outcome {
            case .accepted(let matchIndex): members.append(("index", number(matchIndex)))
            case .rejected(let hintIndex, _, _):
                members += [
                    ("index", number(response.previousIndex)), ("reject", true), ("rejectHint", number(hintIndex)),
                ]
            }
        case .heartbeat(let heartbeat):
            members += [
                ("type", .integer(Kind.heartbeat)), ("commit", number(heartbeat.commitIndex)),
                ("context", .string(Base64.encode(Array("\(heartbeat.round)".utf8)))),
            ]
        case .heartbeatResponse: members.append(("type", .integer(Kind.heartbeatResponse)))
        case .timeoutNow: members.append(("type", .integer(Kind.timeoutNow)))
        default: throw .unreadable("a mixed mesh has no \(message)")
        }
        return Envelope(from: envelope.from, to: envelope.to, message: .etcd(.object(members)))
    }

    private static func number(_ value: UInt64) -> JSON { .integer(Int64(value)) }

    private static func entries(_ entries: [RaftEntry]) throws(ComparisonError) -> [JSON] {
        var translated: [JSON] = []
        for entry in entries {
            var members: [(key: String, value: JSON)] = [
                ("Term", number(entry.term)), ("Index", number(entry.index)), ("Type", 0),
            ]
            switch entry.payload {
            case .empty: break
            case .command(let bytes): members.append(("Data", .string(Base64.encode(bytes))))
            case .membership: throw .unreadable("a mixed mesh has no memberships")
            }
            translated.append(.object(members))
        }
        return translated
    }

    // MARK: From etcd's to ours

    static func forOurs(_ envelope: Envelope, _ message: JSON) throws(ComparisonError) -> Envelope {
        // Its own form is the only way to make a message of ours from outside the module.
        var map = CBORMap()
        map.set(1, try message.number("term"))
        switch message["type"]?.integerValue {
        case Kind.vote: try voteRequest(message, .vote, &map)
        case Kind.preVote: try voteRequest(message, .preVote, &map)
        case Kind.voteResponse: voteResponse(message, .vote, &map)
        case Kind.preVoteResponse: voteResponse(message, .preVote, &map)
        case Kind.append:
            map.set(0, UInt64(3))
            map.set(2, try message.number("index"))
            map.set(3, try message.number("logTerm"))
            map[4] = .array(try wireEntries(message))
            map.set(5, try message.number("commit"))
        case Kind.appendResponse:
            map.set(0, UInt64(4))
            map.set(2, try message.number("index"))
            if message["reject"]?.boolValue == true {
                map.set(4, try message.number("rejectHint"))
                // etcd names no term; the largest bounds nothing.
                map.set(5, UInt64(1) << 61)
                map.set(6, false)
            } else {
                map.set(3, try message.number("index"))
            }
        case Kind.heartbeat:
            map.set(0, UInt64(5))
            map.set(2, try message.number("commit"))
            map.set(3, UInt64(1))
        case Kind.heartbeatResponse:
            map.set(0, UInt64(6))
            map.set(2, try round(message))
        case Kind.timeoutNow: map.set(0, UInt64(9))
        default: throw .unreadable("a mixed mesh has no \(message.text)")
        }
        do throws(CodecError) {
            let translated = try RaftMessage(cbor: .map(map))
            return Envelope(from: envelope.from, to: envelope.to, message: .ours(translated))
        } catch {
            throw .unreadable("\(error) in \(message.text)")
        }
    }

    private static func voteRequest(
        _ message: JSON, _ ballot: RaftMessage.Ballot, _ map: inout CBORMap
    ) throws(ComparisonError) {
        map.set(0, UInt64(1))
        map.set(2, ballot.rawValue)
        map.set(3, message["context"]?.stringValue == transfer)
        map.set(4, try message.number("index"))
        map.set(5, try message.number("logTerm"))
    }

    private static func voteResponse(_ message: JSON, _ ballot: RaftMessage.Ballot, _ map: inout CBORMap) {
        map.set(0, UInt64(2))
        map.set(2, ballot.rawValue)
        map.set(3, message["reject"]?.boolValue != true)
    }

    private static func wireEntries(_ message: JSON) throws(ComparisonError) -> [CBOR] {
        var entries: [CBOR] = []
        for entry in message["entries"]?.arrayValue ?? [] {
            guard entry["Type"]?.integerValue == 0 else { throw .unreadable("a mixed mesh has no memberships") }
            let term = CBOR.unsigned(try entry.number("Term"))
            if let data = entry["Data"]?.stringValue {
                entries.append(.array([term, .unsigned(1), .bytes(try Base64.decode(data))]))
            } else {
                entries.append(.array([term, .unsigned(0)]))
            }
        }
        return entries
    }

    private static func round(_ message: JSON) throws(ComparisonError) -> UInt64 {
        guard let context = message["context"]?.stringValue else { return 0 }
        return UInt64(String(decoding: try Base64.decode(context), as: UTF8.self)) ?? 0
    }
}

/// Base64 as Go's JSON has it, which is not that of URLs.
enum Base64 {
    static func encode(_ bytes: [UInt8]) -> String {
        let text = Base64URL.encode(bytes).map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }
        return String(text) + String(repeating: "=", count: (4 - text.count % 4) % 4)
    }

    static func decode(_ text: String) throws(ComparisonError) -> [UInt8] {
        let bare = text.filter { $0 != "=" }.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 }
        do throws(CodecError) {
            return try Base64URL.decode(String(bare))
        } catch {
            throw .unreadable("\(error)")
        }
    }
}
