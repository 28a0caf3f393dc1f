/* Caches, which memory shared with other domains needs. */
#ifndef MMU_H
#define MMU_H

void mmu_start(void);

#endif
