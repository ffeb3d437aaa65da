import TestKit
import Testing

@testable import Server

@Suite struct YAMLReaderTests {
    private func read(_ text: String) throws -> SettingNode { try YAMLReader.read(Array(text.utf8), name: "t") }

    @Test func linesCountFromOne() throws {
        guard case .map(let entries) = try read("# comment\na: 1\n\nb:\n- x\n- y\n").content else {
            Issue.record("not a map")
            return
        }
        #expect(entries.map(\.key) == ["a", "b"])
        #expect(entries.map(\.keyOrigin.line) == [2, 4])
        guard case .list(let items) = entries[1].value.content else { return }
        #expect(items.map(\.origin.line) == [5, 6])
    }

    @Test func aliasesAndMergeKeysWork() throws {
        let loaded = try load(
            """
            pathDefaults: &base {maxReaders: 3, overridePublisher: no}
            paths:
              a: *base
              b:
                <<: *base
                maxReaders: 5
            """)
        #expect(loaded.settings.room(named: "a")?.maxReaders == 3)
        #expect(loaded.settings.room(named: "b")?.maxReaders == 5)
        #expect(loaded.settings.room(named: "b")?.overridePublisher == false)
    }

    @Test func anAliasBombIsRefusedQuickly() {
        var text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1...12 {
            let item = "*a\(level - 1)"
            text += "a\(level): &a\(level) [" + Array(repeating: item, count: 10).joined(separator: ",") + "]\n"
        }
        #expect(throws: SettingProblem.self) { try read(text) }
    }

    @Test func aMergeBombIsRefusedOrSmall() throws {
        var text = "a0: &a0 {k: x}\n"
        for level in 1...30 { text += "a\(level): &a\(level) {<<: [*a\(level - 1), *a\(level - 1)], k\(level): x}\n" }
        #expect(throws: SettingProblem.self) { try read(text) }
    }

    @Test(arguments: ["[", "{a: ", "- "])
    func deepNestingIsRefused(_ opening: String) {
        #expect(throws: SettingProblem.self) { try read(String(repeating: opening, count: 10_000)) }
    }

    @Test func nestingUpToTheBoundIsRead() throws {
        let depth = YAMLReader.maximumDepth
        _ = try read(String(repeating: "[", count: depth) + String(repeating: "]", count: depth))
        #expect(throws: SettingProblem.self) {
            try read(String(repeating: "[", count: depth + 1) + String(repeating: "]", count: depth + 1))
        }
    }

    @Test func largeAndBinaryInputIsRefused() {
        #expect(throws: SettingProblem.self) {
            try YAMLReader.read([UInt8](repeating: 0x20, count: YAMLReader.maximumSize + 1), name: "t")
        }
        #expect(throws: SettingProblem.self) { try YAMLReader.read([0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0], name: "t") }
        #expect(throws: SettingProblem.self) { try YAMLReader.read([0x61, 0x3A, 0x20, 0xFF, 0xFE], name: "t") }
        #expect(throws: SettingProblem.self) { try YAMLReader.read([0xFF, 0xFE, 0x61, 0], name: "t") }
    }

    @Test func manyValuesAreRefused() {
        #expect(throws: SettingProblem.self) {
            try read("[" + String(repeating: "x,", count: YAMLReader.maximumNodes + 1) + "]")
        }
    }

    @Test(arguments: [
        ("a: 1\na: 2", "t:2: a: written twice"), ("a: 1\n---\nb: 2", "t:2: only one YAML document is read"),
        ("a: *b", "t:1: '*b' is not defined"), ("? [a]\n: b", "t:1: a key must be text"),
        ("a: [1", "t:2: not valid YAML: did not find expected ',' or ']' (while parsing a flow sequence, line 1)"),
        ("a: &a [*a]", "t:1: '*a' is not defined"),
    ])
    func faultsSayWhatAndWhere(_ text: String, _ message: String) {
        do {
            _ = try read(text)
            Issue.record("read without fault")
        } catch {
            #expect("\(error)" == message)
        }
    }

    @Test(arguments: ["", "\n", "# nothing\n", "---\n", "~"])
    func emptyDocumentsAreEmpty(_ text: String) throws {
        guard case .empty = try read(text).content else {
            Issue.record("not empty")
            return
        }
        _ = try load(text)
    }

    @Test func everyPrefixOfTheSampleEndsWithoutATrap() {
        let sample = Array(SettingsDocuments.sample.utf8)
        for length in stride(from: 0, through: sample.count, by: 7) {
            _ = try? SettingsLoader.load(yaml: Array(sample.prefix(length)))
        }
    }

    @Test func damagedSamplesNeverTrap() {
        let sample = Array(SettingsDocuments.sample.utf8)
        var random = SplitMix64(seed: 1)
        let spice = Array("&*[]{}:,-\n #'\"|>%@`!?~0\u{0}\t".utf8) + [0xFF, 0xC3]
        for _ in 0..<300 {
            var bytes = sample
            for _ in 0..<Int.random(in: 1...20, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                bytes[index] = spice[Int.random(in: 0..<spice.count, using: &random)]
            }
            do {
                _ = try SettingsLoader.load(yaml: bytes)
            } catch {
                #expect(!error.problems.isEmpty)
                #expect(error.problems.count <= SettingsReport.maximumProblems + 1)
            }
        }
    }
}
