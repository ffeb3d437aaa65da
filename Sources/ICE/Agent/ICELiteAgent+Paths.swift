import Wire

// Which tuples are validated, which one is selected, and whose consent is alive.

extension ICELiteAgent {
    func index(of tuple: TransportTuple) -> Int? {
        if let selectedIndex, paths[selectedIndex].tuple == tuple { return selectedIndex }
        return paths.firstIndex { $0.tuple == tuple }
    }

    func consentEnd(of index: Int) -> Instant {
        paths[index].heardAt.advanced(bySeconds: limits.consentSeconds)
    }

    func hasConsent(_ index: Int, at now: Instant) -> Bool { now < consentEnd(of: index) }

    mutating func hear(_ index: Int, at now: Instant) {
        paths[index].heardAt = max(paths[index].heardAt, now)
    }

    /// - Returns: whether ``selectedTuple`` changed by it.
    mutating func select(_ index: Int) -> Bool {
        let before = selectedTuple
        phase = .connected
        selectedIndex = index
        guard before != paths[index].tuple else { return false }
        statistics.selections &+= 1
        return true
    }

    /// Adds a path, in place of the unselected one that was silent longest when there are too many.
    mutating func addPath(_ tuple: TransportTuple, at now: Instant) -> (index: Int, evicted: TransportTuple?) {
        let path = Path(tuple: tuple, heardAt: now)
        guard paths.count >= ICELimits.maximumTuples else {
            paths.append(path)
            return (paths.count - 1, nil)
        }
        var victim = selectedIndex == 0 ? 1 : 0
        for index in paths.indices where index != selectedIndex {
            if paths[index].heardAt < paths[victim].heardAt { victim = index }
        }
        let evicted = paths[victim].tuple
        paths[victim] = path
        statistics.evictions &+= 1
        return (victim, evicted)
    }

    mutating func removePath(at index: Int) {
        paths.remove(at: index)
        guard let selected = selectedIndex else { return }
        if selected == index {
            selectedIndex = nil
        } else if selected > index {
            selectedIndex = selected - 1
        }
    }

    /// Moves to the most recently heard path that still consents, or gives up sending.
    mutating func leaveSelectedPath(at now: Instant) -> ICETimeout {
        var best: Int?
        for index in paths.indices where index != selectedIndex && hasConsent(index, at: now) {
            if let current = best, paths[index].heardAt <= paths[current].heardAt { continue }
            best = index
        }
        if let best {
            _ = select(best)
            return .moved(paths[best].tuple)
        }
        phase = .disconnected(until: now.advanced(bySeconds: limits.graceSeconds))
        statistics.consentLosses &+= 1
        return .consentLost
    }
}
