/// The number of a job in its mesh, from 1, never used again.
public typealias JobID = UInt64
