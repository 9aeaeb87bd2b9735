import Codec
import Glibc
import Ring
import Synchronization
import Testing

@Suite("Event loop: tasks, timers and threads", .timeLimit(.minutes(1)))
struct EventLoopTests {
    @Test("a task resumes on the loop's thread after every await", arguments: backends)
    func zeroHops(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let home = pthread_self()
            let (client, server) = try await socketPair(loop)
            for round in 0..<100 {
                try await loop.send(client, [UInt8(round)])
                #expect(pthread_self() == home)
                #expect(try await loop.receive(server, maximum: 16) == [UInt8(round)])
                #expect(pthread_self() == home && loop.isCurrent)
            }
            try await loop.sleep(for: .milliseconds(1))
            #expect(pthread_self() == home)
            let elsewhere = await loop.offload { pthread_self() }
            #expect(elsewhere != home && pthread_self() == home)
            await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<10 { group.addTask { pthread_self() == home } }
                for await isHome in group { #expect(isHome) }
            }
        }
    }

    @Test("the loop says what it runs on", arguments: backends)
    func names(_ backend: EventLoops.Preference) throws {
        let loop = try EventLoops.make(preferring: backend)
        #expect(loop.backend == (backend == .epoll ? .epoll : .ioUring))
        #expect(loop.fallbackReason == nil)
        let automatic = try EventLoops.make()
        #expect(automatic.backend == .ioUring || automatic.fallbackReason != nil)
    }

    @Test("posted work runs in the order posted, from any thread", arguments: backends)
    func posting(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let seen = Shared<[Int]>([])
            let done = LoopSignal(loop)
            let thread = try DedicatedThread("poster")
            try thread.submit {
                for number in 0..<1000 {
                    loop.post {
                        seen.value.append(number)
                        if number == 999 { done.notify() }
                    }
                }
            }
            while seen.value.count < 1000 { try await done.wait(until: loop.after(.seconds(10))) }
            #expect(seen.value == Array(0..<1000))
        }
    }

    @Test("timers fire in order of time, and a cancelled one never fires", arguments: backends)
    func timers(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let fired = Shared<[Int]>([])
            let done = LoopSignal(loop)
            let start = loop.now
            for (number, delay) in [(3, 6), (1, 2), (2, 4), (0, 0)] {
                _ = loop.schedule(at: start + .milliseconds(Int64(delay))) { fired.value.append(number) }
            }
            let cancelled = loop.schedule(at: start + .milliseconds(3)) { fired.value.append(99) }
            _ = loop.schedule(at: start + .milliseconds(8)) {
                fired.value.append(4)
                done.notify()
            }
            loop.cancel(cancelled)
            loop.cancel(cancelled)
            while fired.value.count < 5 { try await done.wait(until: loop.after(.seconds(10))) }
            #expect(fired.value == [0, 1, 2, 3, 4])
            #expect(loop.now - start >= .milliseconds(8))
        }
    }

    @Test("ten thousand timers, half of them cancelled, fire exactly once each", arguments: backends)
    func manyTimers(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            var generator = SeededGenerator(seed: 7)
            let fired = Shared<[Int: Int]>([:])
            let done = LoopSignal(loop)
            // Far enough ahead that none is due before the last has been set.
            let start = loop.after(.milliseconds(100))
            let tokens = (0..<10_000).map { number in
                loop.schedule(at: start + Interval(nanoseconds: Int64.random(in: 0..<20_000_000, using: &generator))) {
                    fired.value[number, default: 0] += 1
                }
            }
            for number in stride(from: 0, to: 10_000, by: 2) { loop.cancel(tokens[number]) }
            _ = loop.schedule(at: start + .milliseconds(21)) { done.notify() }
            try await done.wait(until: loop.after(.seconds(10)))
            #expect(fired.value.count == 5_000)
            #expect(fired.value.allSatisfy { $0.key % 2 == 1 && $0.value == 1 })
        }
    }

    @Test("a sleep ends at its time, and at once when its task is cancelled", arguments: backends)
    func sleeping(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let start = loop.now
            try await loop.sleep(for: .milliseconds(5))
            #expect(loop.now - start >= .milliseconds(5))
            let outcome = Shared<RingError?>(nil)
            let sleeper = loop.spawn("sleeper") {
                outcome.value = await failure { () throws(RingError) in try await loop.sleep(for: .seconds(3600)) }
            }
            try await loop.sleep(for: .milliseconds(1))
            sleeper.cancel()
            await sleeper.value
            #expect(outcome.value == .cancelled)
            outcome.value = nil
            let never = loop.spawn("cancelled before it began") {
                outcome.value = await failure { () throws(RingError) in try await loop.sleep(for: .seconds(3600)) }
            }
            never.cancel()
            await never.value
            #expect(outcome.value == .cancelled)
        }
    }

    @Test("stopping the loop ends every wait and lets tasks finish", arguments: backends)
    func stopping(_ backend: EventLoops.Preference) async throws {
        let loop = try EventLoops.make(preferring: backend)
        let thread = try DedicatedThread("test-loop")
        let (ended, end) = AsyncStream.makeStream(of: Void.self)
        let listener = try Listener(.loopback(port: 0))
        try thread.submit {
            loop.run()
            end.finish()
        }
        let outcome = Shared<[RingError?]>([])
        let acceptor = loop.spawn("acceptor") {
            loop.post { loop.stop() }
            outcome.value.append(await failure { () throws(RingError) in _ = try await loop.accept(listener) })
            outcome.value.append(await failure { () throws(RingError) in try await loop.sleep(for: .seconds(1)) })
            loop.close(listener.descriptor)
        }
        await acceptor.value
        for await _ in ended {}
        #expect(outcome.value == [.stopped, .stopped])
    }

    @Test("a queue between tasks keeps order, holds back a fast sender and ends", arguments: backends)
    func queues(_ backend: EventLoops.Preference) async throws {
        try await withLoop(backend) { loop in
            let queue = LoopQueue<Int>(loop, capacity: 4)
            let most = Shared(0)
            let sender = loop.spawn("sender") {
                for number in 0..<1000 {
                    _ = await failure { () throws(RingError) in try await queue.send(number) }
                    most.value = max(most.value, queue.count)
                }
                queue.finish()
            }
            var seen: [Int] = []
            while let number = try await queue.next() { seen.append(number) }
            await sender.value
            #expect(seen == Array(0..<1000))
            #expect(most.value <= 4)
            #expect(!queue.offer(1))
            let late = await failure { () throws(RingError) in try await queue.send(1) }
            #expect(late == .closed)
            let empty = LoopQueue<Int>(loop, capacity: 1)
            let timedOut = await failure { () throws(RingError) in
                _ = try await empty.next(until: loop.after(.milliseconds(2)))
            }
            #expect(timedOut == .deadline)
        }
    }

    @Test("a dedicated thread keeps its order and refuses beyond its bound")
    func dedicatedThread() async throws {
        let thread = try DedicatedThread("serial", capacity: 2)
        let order = Mutex<[Int]>([])
        let gate = Mutex(false)
        let (started, start) = AsyncStream.makeStream(of: Void.self)
        try thread.submit {
            start.finish()
            while !gate.withLock({ $0 }) { sched_yield() }
        }
        for await _ in started {}
        try thread.submit { order.withLock { $0.append(1) } }
        let (done, finish) = AsyncStream.makeStream(of: Void.self)
        try thread.submit {
            order.withLock { $0.append(2) }
            finish.finish()
        }
        #expect(throws: RingError.full("thread serial")) { try thread.submit {} }
        gate.withLock { $0 = true }
        for await _ in done {}
        #expect(try await thread.perform { order.withLock { $0 } } == [1, 2])
        thread.finish()
        #expect(throws: RingError.closed) { try thread.submit {} }
    }
}
