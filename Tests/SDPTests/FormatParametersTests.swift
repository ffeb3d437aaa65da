import SDP
import Testing

@Suite struct FormatParametersTests {
    @Test func pairsAreTrimmedAndNamesLowered() {
        let parameters = FormatParameters(" Profile-Level-ID = 42e01f ;;\tx ; Mode=1;mode=2; sprop=a=b== ")
        #expect(parameters["profile-level-id"] == "42e01f")
        #expect(parameters["mode"] == "1")
        #expect(parameters["sprop"] == "a=b==")
        #expect(parameters["x"] == nil)
        #expect(parameters.text == "profile-level-id=42e01f;x;mode=1;sprop=a=b==")
    }

    @Test func valuesAreSetAddedAndRemoved() {
        var parameters = FormatParameters("a=1;b=2")
        parameters["a"] = "3"
        parameters["b"] = nil
        parameters["c"] = "4"
        parameters["d"] = nil
        #expect(parameters.text == "a=3;c=4")
        #expect(!parameters.isEmpty)
        #expect(FormatParameters("").isEmpty)
        #expect(FormatParameters("0-15").text == "0-15")
    }
}
