import TestKit
import Testing

@testable import Server

@Suite struct PathPatternTests {
    static let table: [(String, [String], [String])] = [
        ("^cam[0-9]+$", ["cam1", "cam42"], ["cam", "xcam1", "cam1x"]),
        ("cam", ["cam", "webcam1"], ["cma"]),
        ("^(live|vod)/.+$", ["live/a", "vod/b/c"], ["live/", "other/a"]),
        ("^(?:a|b|c)$", ["a", "b", "c"], ["", "ab", "d"]),
        ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
        ("^a{2}$", ["aa"], ["a", "aaa"]),
        ("^a{2,}$", ["aa", "aaaaaaa"], ["a"]),
        ("^(ab)*$", ["", "ab", "abab"], ["a", "aba"]),
        ("^x?y$", ["y", "xy"], ["xxy"]),
        ("^[^/]+$", ["abc"], ["a/b", ""]),
        ("^[a-c_-]+$", ["a-b_c"], ["d"]),
        ("^[]a]+$", ["]a"], ["b"]),
        (#"^\d+\.\w+$"#, ["1.a_Z9"], ["1xa", "a.b"]),
        (#"^[\d.]+$"#, ["1.2"], ["a"]),
        (#"\Acam\z"#, ["cam"], ["cam1"]),
        ("^(?P<group>a)(?<other>b)$", ["ab"], ["a"]),
        ("^a{x}$", ["a{x}"], ["a"]),
        ("^.*?b$", ["b", "aab"], ["ba"]),
        ("", ["", "anything"], []),
        ("^$|^a$", ["", "a"], ["b"]),
        ("a||b", ["", "x"], []),
        ("^(a|)+$", ["", "aaa"], ["b"]),
        ("^(a*)*$", ["", "aaa"], ["b"]),
        (#"^\D\W\S$"#, ["a-b"], ["1-b"]),
    ]

    @Test(arguments: table.indices)
    func matchesWhatItSays(_ index: Int) throws {
        let (pattern, good, bad) = Self.table[index]
        let compiled = try PathPattern(pattern)
        for name in good { #expect(compiled.matches(name), "\(pattern) on '\(name)'") }
        for name in bad { #expect(!compiled.matches(name), "\(pattern) on '\(name)'") }
    }

    @Test(arguments: [
        "(", ")", "a)", "[", "[a", "[]", "*", "+a", "?", "a**", "a{3,2}", "a{999}", "[z-a]", "(?=a)", "(?!a)", "(?<=a)",
        "(?i)a", #"\"#, #"\1"#, #"\b"#, "[[:alpha:]]", #"[a-\d]"#, "((a{255}){255}){255}",
        "((((){255}){255}){255}){255}",
        String(repeating: "(", count: 100) + String(repeating: ")", count: 100), String(repeating: "a", count: 1_001),
    ])
    func whatItCannotDoIsRefused(_ pattern: String) {
        #expect(throws: PatternError.self) { try PathPattern(pattern) }
    }

    @Test func hostileNamesTakeNoLongerThanTheirLength() throws {
        let pattern = try PathPattern("^(a+)+(a|aa)+(a*)*$")
        let name = String(repeating: "a", count: 254) + "!"
        let start = ContinuousClock.now
        #expect(!pattern.matches(name))
        #expect(ContinuousClock.now - start < .seconds(1))
    }

    @Test func randomPatternsNeverTrap() {
        var random = SplitMix64(seed: 2)
        let alphabet = Array("ab0()[]{}|*+?.^$\\,-1:<>Pdw/")
        for _ in 0..<5_000 {
            let text = String(
                (0..<Int.random(in: 0...16, using: &random)).map { _ in alphabet.randomElement(using: &random) ?? "a" })
            _ = try? PathPattern(text).matches("ab0/1:a")
        }
    }
}
