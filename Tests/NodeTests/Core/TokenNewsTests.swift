import Testing

@testable import Node

@Suite("What is known of tokens")
struct TokenNewsTests {
    private func item(_ number: Int) -> TokenNews.Item {
        TokenNews.Item(at: Int64(number), token: "kim", event: .used, detail: "job \(number)")
    }

    @Test("it is read from where the reader was, in pieces, and what was forgotten meanwhile is counted")
    func read() {
        var news = TokenNews()
        #expect(news.read(after: 0, countMax: 10).items.isEmpty)
        for number in 1...5 { news.add(item(number)) }
        let first = news.read(after: 0, countMax: 3)
        #expect(first.items == [item(1), item(2), item(3)] && first.last == 3 && first.missed == 0)
        let second = news.read(after: first.last, countMax: 3)
        #expect(second.items == [item(4), item(5)] && second.last == 5)
        #expect(news.read(after: 5, countMax: 3).items.isEmpty)
        for number in 6...3_000 { news.add(item(number)) }
        let late = news.read(after: 5, countMax: 1)
        #expect(late.items[0] == item(Int(late.missed) + 6) && late.last == late.missed + 6)
        let all = news.read(after: 0, countMax: .max)
        #expect(all.items.count <= TokenNews.countMax && all.items.last == item(3_000) && all.last == 3_000)
        #expect(news.read(after: 9_999, countMax: 3).items.isEmpty)
    }
}
