/// Hours of the week in which the owner of a host lets jobs use it, by the host's own clock on the wall.
public struct OpeningHours: Hashable, Sendable {
    /// Bit 0 is Monday. A span that goes past midnight belongs to the day it begins on.
    public var days: UInt8
    /// Minutes after midnight, 0 to 1,439.
    public var from: Int
    /// Minutes after midnight, 1 to 1,440; not after `from`: on the next day.
    public var to: Int

    private static let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    private static let minutesOfDay = 1_440

    /// From `[DAYS ]HH:MM-HH:MM`, where DAYS are `mon-fri` or `sat,sun`, and none are all; nil for what is neither.
    public init?(_ text: String) {
        let words = text.split(separator: " ", omittingEmptySubsequences: true)
        guard let last = words.last, words.count <= 2 else { return nil }
        let times = last.split(separator: "-", omittingEmptySubsequences: false)
        guard times.count == 2, let from = OpeningHours.minutes(times[0]), let to = OpeningHours.minutes(times[1]),
            from < OpeningHours.minutesOfDay, to > 0
        else { return nil }
        self.from = from
        self.to = to
        guard words.count == 2 else {
            days = 0x7F
            return
        }
        var days: UInt8 = 0
        for part in words[0].split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count <= 2, let first = OpeningHours.day(ends[0]),
                let last = OpeningHours.day(ends[ends.count - 1])
            else { return nil }
            var day = first
            days |= 1 << UInt8(day)
            while day != last {
                day = (day + 1) % 7
                days |= 1 << UInt8(day)
            }
        }
        self.days = days
    }

    private static func day(_ text: Substring) -> Int? { names.firstIndex { $0 == text } }

    private static func minutes(_ text: Substring) -> Int? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { 48...57 ~= $0 } }),
            let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60
        else { return nil }
        let minutes = hour * 60 + minute
        return minutes <= minutesOfDay ? minutes : nil
    }

    /// - Parameter minute: of the week; Monday 00:00 is 0.
    public func contains(minute: Int) -> Bool {
        let (day, time) = (minute / OpeningHours.minutesOfDay, minute % OpeningHours.minutesOfDay)
        if from < to { return begins(on: day) && from <= time && time < to }
        return begins(on: day) && time >= from || begins(on: (day + 6) % 7) && time < to
    }

    private func begins(on day: Int) -> Bool { days & 1 << UInt8(day) != 0 }

    /// As it is typed.
    public var text: String {
        let time = "\(OpeningHours.clock(from))-\(OpeningHours.clock(to))"
        guard days != 0x7F else { return time }
        let names = (0..<7).filter(begins).map { OpeningHours.names[$0] }
        return names.joined(separator: ",") + " " + time
    }

    private static func clock(_ minutes: Int) -> String {
        let (hour, minute) = (minutes / 60, minutes % 60)
        return (hour < 10 ? "0" : "") + "\(hour):" + (minute < 10 ? "0" : "") + "\(minute)"
    }
}
