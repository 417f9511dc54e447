# What the operator sees of single cells: BMU, BCU, the pages of the stack bus, BAU, SunSpec 805, operator station. A page of
# the stack bus comes every 5 s, the station has been round all packs after 20 s (assumptions).
@cells
Feature: Cell data at the operator station
  The BAU tells the voltage and temperature of every cell as it is, and of the right cell.

  Scenario: Two clusters that differ
    Given cluster 2 stands at 20 % state of charge
    And the plant is powered up
    When 40 s pass
    Then the voltage the BAU reports of cell 1 of pack 1 in cluster 1 is within 10 mV of the true one [assumption: sensor 2 mV typical, 10 mV at most]
    And the voltage the BAU reports of cell 17 of pack 5 in cluster 2 is within 10 mV of the true one [assumption: sensor 2 mV typical, 10 mV at most]
    And the temperature the BAU reports of cell 17 of pack 5 in cluster 2 is within 3 K of the true one [assumption: sensor 2 K, told in steps of 1 K]
