internal import Glibc

/// How many processors this process may expect to use.
public enum ProcessorCount {
    public static var online: Int { max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN))) }
}
