/* keel-strategy-meanreversion: services/strategies/README.md */
#include "services/strategies/run.h"

int main(int argc, char **argv)
{
    return strategies_main(argc, argv, &strategies_meanreversion);
}
