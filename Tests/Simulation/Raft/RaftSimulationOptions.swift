import Codec
@_spi(Simulation) import Raft

/// How long and how hard a simulated run is. Everything else is drawn from the seed.
public struct RaftSimulationOptions: Sendable {
    /// Virtual time during which things go wrong.
    public var stormMilliseconds: Int64 = 15_000
    /// Virtual time within which each part of the calm after that must come out well.
    public var calmMilliseconds: Int64 = 15_000
    /// Writes down what happens.
    public var tellsStory = false
    /// Keeps the steps of all cores, for tools that check them.
    public var keepsTrace = false
    /// Leaves out what the TLA+ specification of etcd's Raft cannot follow; see `RaftScenario.limitToSpecification`.
    public var staysWithinSpecification = false
    /// A known mistake to put into every node.
    @_spi(Simulation) public var faults: RaftFaults = []
    /// A known mistake to put into what surrounds every node.
    var driverFaults: DriverFaults = []

    public init() {}
}
