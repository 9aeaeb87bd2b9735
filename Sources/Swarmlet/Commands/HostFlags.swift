/// Flags about this host that `up`, `join` and `daemon` share; the daemon keeps them in its data directory.
enum HostFlags {
    static let daemon: [Flag] = [
        Flag("listen", .text(placeholder: "ADDRESS[:PORT]"), "address or interface for other nodes (default: all)"),
        Flag("port", .count(placeholder: "N", 0...65_535), "port, TCP and UDP (default 7717; 0: any free one)"),
        Flag("simulate-gpus", .text(placeholder: "N[:MODEL]"), "show N GPUs that are not there, labelled simulated"),
    ]

    static let node: [Flag] =
        [
            Flag("name", .text(placeholder: "NAME"), "name of this node (default: the host name)"),
            Flag("labels", .labels, "labels of this node"),
        ] + daemon

    /// The same flags for the daemon that is started in the background.
    static func forwarded(_ invocation: Invocation) -> [String] {
        var words: [String] = []
        if let listen = invocation.text("listen") { words += ["--listen", listen] }
        if let port = invocation.count("port") { words += ["--port", "\(port)"] }
        if let simulated = invocation.text("simulate-gpus") { words += ["--simulate-gpus", simulated] }
        return words
    }
}
