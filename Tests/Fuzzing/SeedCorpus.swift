import Codec
import Glibc

/// What the fuzzers begin with: true messages, written by the tests that have them.
public enum SeedCorpus {
    /// Writes each seed to a file named after its digest, below `$SWARMLET_SEEDS/NAME`; nothing where that is not set.
    public static func add(_ seeds: [[UInt8]], for fuzzer: Fuzzer) {
        guard let root = getenv("SWARMLET_SEEDS") else { return }
        let directory = String(cString: root) + "/" + fuzzer.rawValue
        mkdir(directory, 0o755)
        for seed in seeds {
            let path = directory + "/" + Hex.encode(BLAKE3.hash(seed).bytes.prefix(8))
            guard let file = fopen(path, "w") else {
                perror(path)
                exit(1)
            }
            fwrite(seed, 1, seed.count, file)
            fclose(file)
        }
    }
}
