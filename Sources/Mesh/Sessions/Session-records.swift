import Codec
import Ring

/// The two tasks of a session: one reads and handles records, one writes them.
extension Session {
    func writeRecords() async {
        while true {
            var batch: [UInt8] = []
            do throws(MeshError) {
                try fill(&batch)
                guard !batch.isEmpty else {
                    if closeReason != nil { return closeSocket() }
                    do throws(RingError) { try await work.wait() } catch { throw MeshError(error) }
                    continue
                }
                do throws(RingError) {
                    try await loop.send(socket, batch, deadline: nil)
                } catch {
                    throw MeshError(error)
                }
            } catch {
                end(error, farewell: nil)
                return closeSocket()
            }
        }
    }

    private func fill(_ batch: inout [UInt8]) throws(MeshError) {
        batch.reserveCapacity(SessionConstants.batchBytes + SessionConstants.fragmentBytesMax + 256)
        while batch.count < SessionConstants.batchBytes {
            var step = OutboundScheduler.Step.nothing
            try channel.seal(into: &batch) { bytes in
                guard closeReason == nil else {
                    step = fillBeforeClose(&bytes) ? .frame : .nothing
                    return
                }
                step = outbound.next(into: &bytes)
            }
            switch step {
            case .nothing: return
            case .frame: continue
            case .streamDone(let number): streams[number]?.messageWritten()
            }
        }
    }

    private func fillBeforeClose(_ bytes: inout [UInt8]) -> Bool {
        guard let farewell else { return false }
        if outbound.nextBeforeClose(into: &bytes) { return true }
        SessionFrame.close(farewell).encode(into: &bytes)
        self.farewell = nil
        return true
    }

    func readRecords() async {
        do throws(MeshError) {
            while closeReason == nil {
                guard try await reader.wait(for: RecordChannel.headerBytes, deadline: nil) else { throw .disconnected }
                let length = try RecordChannel.length(reader.take(RecordChannel.headerBytes))
                try await reader.require(length, deadline: nil)
                guard closeReason == nil else { return }
                try handle(channel.open(&reader.buffer, reader.skip(length)))
            }
        } catch {
            switch error {
            case .protocolViolation, .frameTooLong, .messageTooLong: end(error, farewell: error.message)
            default: end(error, farewell: nil)
            }
        }
    }

    private func handle(_ frame: SessionFrame) throws(MeshError) {
        switch frame {
        case .ready: throw .protocolViolation("a second confirmation")
        case .ping(let number): urge(.pong(number))
        case .pong(let number): measure(number)
        case .close(let reason): end(.closedByPeer(reason), farewell: nil)
        case .post(let trafficClass, let fragment):
            guard let message = try assemblers[Int(trafficClass.rawValue)].add(fragment) else { return }
            guard let onMessage else { return unhandledMessages += 1 }
            onMessage(message.kind, message.bytes)
        case .streamOpen(let number, let kind, let trafficClass): try open(number, kind, trafficClass)
        case .streamData(let number, let fragment): try known(number)?.take(fragment)
        case .streamCredit(let number, let count):
            guard outbound.credit(number, count) else { throw .protocolViolation("credit beyond the window") }
            work.notify()
        case .rekey, .rekeyAnswer, .rekeyDone:
            if let answer = try channel.handleExchange(frame, NoiseKeyPair.generate) { urge(answer) }
            keysSince = loop.now
        case .streamFinish(let number): try known(number)?.otherFinished()
        case .streamReset(let number):
            guard let stream = try known(number) else { return }
            stream.fail(.streamCancelled)
            forget(stream)
        }
    }

    /// A stream that stands; nil for one that ended here while frames for it were under way.
    private func known(_ number: UInt32) throws(MeshError) -> SessionStream? {
        if let stream = streams[number] { return stream }
        guard !isRemote(number) || number <= highestRemoteStream else {
            throw .protocolViolation("stream \(number) was never opened")
        }
        return nil
    }

    private func open(_ number: UInt32, _ kind: UInt16, _ trafficClass: TrafficClass) throws(MeshError) {
        guard isRemote(number), number > highestRemoteStream else {
            throw .protocolViolation("stream \(number) opened")
        }
        highestRemoteStream = number
        guard let onStream, remoteStreams < SessionConstants.streamsMax else { return urge(.streamReset(number)) }
        remoteStreams += 1
        let stream = SessionStream(self, loop, number, trafficClass)
        add(stream)
        onStream(kind, stream)
    }

    /// Seven parts of what was known, one part of what was seen (RFC 6298 section 2).
    private func measure(_ number: UInt64) {
        let sample = loop.now - Instant(nanoseconds: Int64(bitPattern: number))
        guard sample >= .zero, sample <= configuration.silenceMax * 2 else { return }
        roundTrip = roundTrip.map { ($0 * 7 + sample) / 8 } ?? sample
    }
}
