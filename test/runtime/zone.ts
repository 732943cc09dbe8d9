import { runtimeZone } from '../../src/main/runtime-zone.ts';

// Zone 2 in a process of its own, as zone 0 starts it.
runtimeZone();
