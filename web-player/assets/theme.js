// Runs before the page is painted, so that a chosen theme does not flash in. Without a choice the system's is used.
(() => {
    try {
        const theme = localStorage.getItem("martlet-theme");
        if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    } catch {
        // Storage may be switched off.
    }
})();
