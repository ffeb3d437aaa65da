import Testing

@testable import Server

@Suite struct SettingsDocumentTests {
    /// Set `MARTLET_WRITE_DOCUMENTS=1` to write the files instead of comparing them.
    private func check(_ text: String, equals path: String) throws {
        let root = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
        let file = "\(root)/\(path)"
        if SystemInputs.environment()["MARTLET_WRITE_DOCUMENTS"] == "1" { try writeFile(file, text) }
        let present = String(decoding: try SystemInputs.readFile(file), as: UTF8.self)
        #expect(present == text, "\(path) differs from the declarations; see the comment above")
    }

    @Test func theSampleFileIsTheDeclarations() throws {
        try check(SettingsDocuments.sample, equals: "config/martlet.yml")
    }

    @Test func theReferenceIsTheDeclarations() throws {
        try check(SettingsDocuments.reference, equals: "docs/settings.md")
    }

    @Test func theSampleIsReadAsTheDefaults() throws {
        let loaded = try load(SettingsDocuments.sample)
        #expect(loaded.warnings.isEmpty)
        for setting in ServerSettings.declarations {
            #expect(setting.text(loaded.settings) == setting.text(ServerSettings()))
        }
        for setting in PathSettings.declarations {
            #expect(setting.text(loaded.settings.pathDefaults) == setting.text(PathSettings()))
        }
        #expect(loaded.settings.room(named: "cam1")?.entry == "all_others")
    }

    @Test func theSampleAndTheReferenceNameEverySetting() {
        for key in ServerSettings.declarations.map(\.key) + PathSettings.declarations.map(\.key) {
            #expect(SettingsDocuments.sample.contains("\(key):"))
            #expect(SettingsDocuments.reference.contains("`\(key)`"))
        }
    }
}
