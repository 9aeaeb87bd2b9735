import Codec

extension SeededGenerator {
    /// One number of a range.
    public mutating func pick<Number: FixedWidthInteger>(_ range: ClosedRange<Number>) -> Number {
        let width = UInt64(range.upperBound - range.lowerBound) + 1
        return range.lowerBound + Number(next() % width)
    }

    /// True `count` times of `total`.
    public mutating func chance(_ count: Int, in total: Int) -> Bool { next() % UInt64(total) < UInt64(count) }

    /// One element of a list that is not empty.
    public mutating func pick<Element>(from list: [Element]) -> Element { list[pick(0...(list.count - 1))] }

    /// `count` elements in the order of the list.
    public mutating func choose<Element>(_ count: Int, of list: [Element]) -> [Element] {
        var left = count
        var chosen: [Element] = []
        for (position, element) in list.enumerated() where left > 0 {
            if pick(0...(list.count - position - 1)) < left {
                chosen.append(element)
                left -= 1
            }
        }
        return chosen
    }
}
