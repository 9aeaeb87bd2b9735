import Codec

/// How late this node hears: what a busy process, a full socket or a cut cable does to it, and not to those whom it would
/// accuse.
///
/// It tells by answers that come after their probe has failed, one after the other, or by none at all: of a member that
/// is slow or dead itself the next answer, another member's, is in time again. A probe then waits for as long as answers
/// take, so that a node that hears late accuses late, or nobody.
struct Lateness: Sendable {
    /// How long answers may take; zero while they come in time.
    private(set) var interval = Interval.zero
    private var lateInRow = 0
    private var silentInRow = 0

    mutating func heardInTime() {
        lateInRow = 0
        silentInRow = 0
        interval = interval > SwimConstants.tryInterval ? interval / 2 : .zero
    }

    mutating func heardLate(after time: Interval) {
        silentInRow = 0
        lateInRow += 1
        guard lateInRow >= SwimConstants.lateAnswersWanted else { return }
        interval = min(max(time, interval / 2), SwimConstants.latenessMax)
    }

    /// A probe failed, and no helper said that it hears this node.
    mutating func heardNothing(for time: Interval) {
        silentInRow += 1
        guard silentInRow >= SwimConstants.silencesWanted else { return }
        interval = min(max(interval * 2, time), SwimConstants.latenessMax)
    }
}
