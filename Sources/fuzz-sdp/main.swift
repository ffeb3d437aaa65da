import CFuzzer
