import Codec
import Mesh
import Ring

// Gossip and leases by datagram, and over the session where that does not arrive.
extension Peers {
    /// Connects the datagrams to what they bring and to the sessions they fall back on.
    func takeDatagrams() {
        datagrams?.onMessage = { [self] id, purpose, bytes in
            peers[id]?.heard = loop.now
            do throws(CodecError) {
                switch purpose {
                case .path: break
                case .gossip: onGossip?(id, try SwimMessage(encoded: bytes))
                case .lease:
                    // Nothing else is said this way: what came before what was sent earlier is no harm to leases.
                    switch try NodeMessage(encoded: bytes) {
                    case .renew(let sequence, let time): onMessage?(id, .renew(sequence: sequence, time: time))
                    case .granted(let sequence, let index, let ahead):
                        onMessage?(id, .granted(sequence: sequence, index: index, ahead: ahead))
                    default: throw .invalid("another message than of a lease")
                    }
                }
            } catch {
                log.warning("\(id) sent a datagram that cannot be read: \(error.message)")
            }
        }
        datagrams?.onFallback = { [self] id, purpose, bytes in
            do throws(CodecError) {
                switch purpose {
                case .path: break
                case .gossip: send(.swim(try SwimMessage(encoded: bytes)), to: id)
                case .lease: send(try NodeMessage(encoded: bytes), to: id)
                }
            } catch {
                log.warning("what did not reach \(id) by datagram cannot be sent: \(error.message)")
            }
        }
        datagrams?.onPost = { [self] id, packet in
            do throws(MeshError) {
                try peers[id]?.session?.post(Peers.packetKind, packet)
            } catch {
                // A full queue or a session that ends: the packet is lost, as any other may be.
            }
        }
        datagrams?.onChanged = { [self] id, path in
            let state = "datagrams to \(id) \(path.outbound), from it \(path.inbound)"
            if path.outbound == .blocked || path.inbound == .blocked { log.note(state) }
        }
    }

    /// Brings a message of a lease to a member: by datagram where these are known to arrive.
    func sendByDatagram(_ message: NodeMessage, to id: NodeID) {
        guard let datagrams, peers[id] != nil else { return send(message, to: id) }
        if peers[id]?.session == nil { dial(id) }
        datagrams.send(.lease, message.encoded(), to: id)
    }

    /// Brings gossip to a member: by datagram where it may travel so and does arrive.
    func gossip(_ message: SwimMessage, to id: NodeID, over path: SwimPath) {
        guard path == .datagram, let datagrams, peers[id] != nil else { return send(.swim(message), to: id) }
        datagrams.send(.gossip, message.encoded(), to: id)
    }

    func learnForDatagrams(_ record: PeerRecord) {
        guard let datagrams else { return }
        var addresses: [SocketAddress] = []
        var names: [String] = []
        for text in record.addresses {
            do throws(RingError) {
                addresses.append(try SocketAddress.parse(text, defaultPort: MeshMembership.defaultPort))
            } catch {
                names.append(text)
            }
        }
        datagrams.learn(record.id, key: record.noiseKey.array, addresses: addresses)
        let (numeric, unresolved) = (addresses, names)
        guard !unresolved.isEmpty else { return }
        loop.spawn("look up \(record.id)") { [self] in
            var found = numeric
            for name in unresolved {
                do { found.append(try await loop.resolve(name, defaultPort: MeshMembership.defaultPort)) } catch {
                    // The session says so when it is dialled.
                }
            }
            guard peers[record.id]?.noiseKey == record.noiseKey.array else { return }
            datagrams.learn(record.id, key: record.noiseKey.array, addresses: found)
        }
    }

    /// How datagrams to and from a member fare, as far as it is known; nil where there are none.
    func datagramPath(to id: NodeID) -> DatagramPath? { datagrams?.path(to: id) }

    /// Asks how datagrams to and from these members fare, for `swarmlet doctor`: two seconds at most, or a round trip.
    ///
    /// `outbound` and `inbound` say for each direction whether UDP arrives; `hasKeys` false: the member never answered, or
    /// runs a version without datagrams.
    func probeDatagrams(to ids: [NodeID]) async throws -> [NodeID: DatagramPath] {
        try await datagrams?.probe(ids) ?? [:]
    }
}
